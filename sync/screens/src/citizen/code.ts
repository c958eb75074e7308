// A report's code for telephones and QR codes: its id in the digits and letters of
// Crockford's base 32, which has no I, L, O and U to be misheard, with a check
// symbol (modulo 37, as there) that finds a wrong or swapped character.
import type { ID } from "../lib/api";

const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const checks = digits + "*~$=U";

export function codeOf(id: ID): string {
  let n = BigInt("0x" + id.replaceAll("-", ""));
  const check = checks[Number(n % 37n)]!;
  let s = "";
  for (let i = 0; i < 26; i++) {
    s = digits[Number(n % 32n)]! + s;
    n /= 32n;
  }
  return (s + check).replace(/(.{5})(?=.)/g, "$1-");
}

/** The id of a code, or undefined when it is none. */
export function idOf(code: string): ID | undefined {
  const s = code.toUpperCase().replace(/[\s-]/g, "").replaceAll("O", "0").replace(/[IL](?!$)/g, "1");
  if (s.length !== 27) return undefined;
  let n = 0n;
  for (const c of s.slice(0, 26)) {
    const d = digits.indexOf(c);
    if (d < 0) return undefined;
    n = n * 32n + BigInt(d);
  }
  if (n >= 1n << 128n || checks[Number(n % 37n)] !== s[26]) return undefined;
  const h = n.toString(16).padStart(32, "0");
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
}
