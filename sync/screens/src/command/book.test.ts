import { expect, test } from "vitest";
import { book, crc, sheetXML } from "./book";

test("the sum is ZIP's: the check value of CRC-32", () => {
  expect(crc(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});

test("numbers are numbers, texts are texts, and none of them is a formula or breaks the sheet", () => {
  const s = sheetXML([["Phường <A> & B", 12, 0.5, ""], ["=1+1"], ["a\u0001b"]]);
  expect(s).toContain('<t xml:space="preserve">Phường &lt;A&gt; &amp; B</t>');
  expect(s).toContain("<c><v>12</v></c><c><v>0.5</v></c><c/>");
  expect(s).toContain('<c t="inlineStr"><is><t xml:space="preserve">=1+1</t></is></c>');
  expect(s).toContain(">ab<");
});

test("the file is a whole ZIP archive with the parts of a workbook, found by its list at the end", () => {
  const b = book("Thống kê", [["Phường", "Số tin"], ["Phú Mỹ", 3]]);
  const v = new DataView(b.buffer);
  const end = b.length - 22;
  expect([v.getUint32(end, true), v.getUint16(end + 10, true), v.getUint32(end + 12, true) + v.getUint32(end + 16, true)]).toEqual([0x06054b50, 5, end]);
  const files: Record<string, string> = {};
  for (let at = v.getUint32(end + 16, true); at < end; at += 46 + v.getUint16(at + 28, true)) {
    const [size, local] = [v.getUint32(at + 24, true), v.getUint32(at + 42, true)];
    expect([v.getUint32(at, true), v.getUint32(local, true)]).toEqual([0x02014b50, 0x04034b50]);
    const from = local + 30 + v.getUint16(local + 26, true);
    const data = b.subarray(from, from + size);
    expect(v.getUint32(at + 16, true)).toBe(crc(data));
    files[new TextDecoder().decode(b.subarray(at + 46, at + 46 + v.getUint16(at + 28, true)))] = new TextDecoder().decode(data);
  }
  expect(Object.keys(files)).toEqual(["[Content_Types].xml", "_rels/.rels", "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/worksheets/sheet1.xml"]);
  expect(files["xl/workbook.xml"]).toContain('name="Thống kê"');
  expect(files["xl/worksheets/sheet1.xml"]).toContain("Phú Mỹ");
});
