// Who called, as an officer writes it down.

/** Name and number out of one line: "Chị Lan 0901 234 567". */
export function caller(line: string): { name?: string; phone?: string; anonymous?: boolean } {
  const phone = /\+?\d[\d .-]{5,}\d/.exec(line)?.[0];
  const name = line.replace(phone ?? "", "").replace(/[,;:()]+/g, " ").replace(/\s+/g, " ").trim();
  if (!phone && !name) return { anonymous: true };
  return { ...(name ? { name } : {}), ...(phone ? { phone: phone.replace(/[ .-]/g, "") } : {}) };
}
