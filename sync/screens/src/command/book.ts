// A workbook of one sheet (ECMA-376, Office Open XML) in a ZIP archive without packing. A CSV
// file opens wrong in a Vietnamese Excel: with a decimal comma it wants semicolons between
// columns, and on a computer that is set to English it wants commas. A workbook opens
// right everywhere, with numbers that are numbers.

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

/** CRC-32 as ZIP has it. */
export function crc(b: Uint8Array): number {
  let c = 0xffffffff;
  for (const x of b) c = table[(c ^ x) & 255]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** A ZIP archive whose files are stored as they are. */
export function zip(files: readonly (readonly [string, string])[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [], list: Uint8Array[] = [];
  let at = 0;
  const head = (length: number, fields: readonly (readonly [number, number])[], name: Uint8Array): Uint8Array => {
    const b = new Uint8Array(length + name.length);
    const v = new DataView(b.buffer);
    for (const [o, x] of fields) o < 0 ? v.setUint16(-o, x, true) : v.setUint32(o, x, true); // below 0: two bytes
    b.set(name, length);
    return b;
  };
  for (const [path, text] of files) {
    const [name, data] = [new TextEncoder().encode(path), new TextEncoder().encode(text)];
    const [sum, day] = [crc(data), 0x21]; // 1 January 1980: nothing of the time belongs in it
    const local = head(30, [[0, 0x04034b50], [-4, 20], [-6, 0x800], [-12, day], [14, sum], [18, data.length], [22, data.length], [-26, name.length]], name);
    list.push(head(46, [[0, 0x02014b50], [-4, 20], [-6, 20], [-8, 0x800], [-14, day], [16, sum], [20, data.length], [24, data.length], [-28, name.length], [42, at]], name));
    parts.push(local, data);
    at += local.length + data.length;
  }
  const size = list.reduce((n, b) => n + b.length, 0);
  const all = [...parts, ...list, head(22, [[0, 0x06054b50], [-8, files.length], [-10, files.length], [12, size], [16, at]], new Uint8Array())];
  const out = new Uint8Array(all.reduce((n, b) => n + b.length, 0));
  all.reduce((n, b) => (out.set(b, n), n + b.length), 0);
  return out;
}

const escape = (s: string): string => s.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, "").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const xml = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml.";
const relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const packaged = "http://schemas.openxmlformats.org/package/2006/";
const main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";

/** The sheet's XML: texts as texts, so that none is run as a formula. */
export const sheetXML = (rows: readonly (readonly (string | number)[])[]): string =>
  `${xml}<worksheet xmlns="${main}"><cols><col min="1" max="2" width="24" customWidth="1"/></cols><sheetData>${rows.map((r) => `<row>${r.map((x) =>
    typeof x === "number" ? `<c><v>${x}</v></c>` : x === "" ? "<c/>" : `<c t="inlineStr"><is><t xml:space="preserve">${escape(x)}</t></is></c>`).join("")}</row>`).join("")}</sheetData></worksheet>`;

/** The workbook as a file. */
export const book = (name: string, rows: readonly (readonly (string | number)[])[]): Uint8Array<ArrayBuffer> => zip([
  ["[Content_Types].xml", `${xml}<Types xmlns="${packaged}content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="${kinds}sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="${kinds}worksheet+xml"/></Types>`],
  ["_rels/.rels", `${xml}<Relationships xmlns="${packaged}relationships"><Relationship Id="rId1" Type="${relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>`],
  ["xl/workbook.xml", `${xml}<workbook xmlns="${main}" xmlns:r="${relations}"><sheets><sheet name="${escape(name).replace(/[\\/?*[\]:"]/g, " ").slice(0, 31)}" sheetId="1" r:id="rId1"/></sheets></workbook>`],
  ["xl/_rels/workbook.xml.rels", `${xml}<Relationships xmlns="${packaged}relationships"><Relationship Id="rId1" Type="${relations}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`],
  ["xl/worksheets/sheet1.xml", sheetXML(rows)],
]);
