// Photos are taken and hashed at once and stay on the phone: the hash travels in
// the report, so that a later upload can be shown to be the picture of that moment.
export interface Taken { sha256: string; type: string; bytes: number; blob: Blob }

export const mostPhotos = 8;
export const largestPhoto = 25 << 20;

/** Hashes what the camera gave, as it gave it: nothing is scaled or stripped. */
export async function take(file: File): Promise<Taken> {
  const raw = await file.arrayBuffer();
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
  return {
    sha256: Array.from(sum, (b) => b.toString(16).padStart(2, "0")).join(""),
    type: file.type || "image/jpeg",
    bytes: raw.byteLength,
    blob: new Blob([raw], { type: file.type || "image/jpeg" }),
  };
}
