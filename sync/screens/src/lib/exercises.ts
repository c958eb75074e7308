// Exercises: which run, which this desk has joined, and what a row of one is called.
import { computed, signal } from "@preact/signals";
import { get, type ID, type Row, type Stamp } from "./api";
import { words } from "./i18n";
import { nodeNow, now } from "./clock";

export interface Exercise { id: ID; name: string; from: Stamp; until: Stamp; ended?: Stamp; wards: string[]; runs: boolean; by: string }

export const exercises = signal<readonly Exercise[]>([]);

/** Those that run now, by the node's clock. */
export const running = computed(() => {
  void now.value;
  const at = nodeNow();
  return exercises.value.filter((x) => !x.ended && Date.parse(x.from) <= at && at < Date.parse(x.until));
});

const key = "exercises";
const stored = (): ReadonlySet<ID> => {
  try {
    return new Set(JSON.parse(localStorage.getItem(key) ?? "[]") as ID[]);
  } catch {
    return new Set(); // storage is closed to us: the desk has joined none
  }
};

/** What this desk has joined: there alone its exercises' reports ring. */
export const joined = signal<ReadonlySet<ID>>(stored());

export function join(id: ID, on: boolean): void {
  const next = new Set(joined.value);
  if (on) next.add(id);
  else next.delete(id);
  joined.value = next;
  try {
    localStorage.setItem(key, JSON.stringify([...next].slice(-50)));
  } catch {
    /* lasts as long as the page */
  }
}

/** Whether a row may ring and flash at this desk: what is real always, practice where the desk has joined it. */
export const heard = (r: Pick<Row, "exercise">): boolean => !r.exercise || joined.value.has(r.exercise);

export const exerciseName = (id: ID | undefined): string => exercises.value.find((x) => x.id === id)?.name ?? "";

export async function readExercises(): Promise<void> {
  exercises.value = (await get<{ items: Exercise[] }>("/api/v1/exercises")).items;
}

/** Reads them for as long as the screen is open. */
export function followExercises(): () => void {
  const read = (): void => void readExercises().catch(() => undefined); // the next try says it
  read();
  const timer = setInterval(read, 10_000);
  return () => clearInterval(timer);
}

export const e = words(
  {
    exercise: "DIỄN TẬP", exercise_of: "DIỄN TẬP: {name}", runs: "Đang diễn tập: {name} (đến {until})", join: "Tham gia diễn tập", leave: "Rời diễn tập", joined: "Bàn này đang tham gia: tin diễn tập có chuông.", not_joined: "Bàn này không tham gia: tin diễn tập không đổ chuông.",
    real: "Đây là tin thật", made_real: "{who} đã xác định là tin thật lúc {at}", not_counted: "Tin diễn tập: không tính vào số liệu, không có thời hạn.", as_exercise: "Tin diễn tập – {name}", as_exercise_hint: "Chỉ đánh dấu khi chắc chắn là diễn tập. Không đánh dấu là tin thật.",
    make: "Tạo cuộc diễn tập", make_now: "Bắt đầu", name: "Tên cuộc diễn tập", name_hint: "Ví dụ: Diễn tập PCCC quý IV", hours: "Kéo dài", hours_n: "{n} giờ", wards: "Phường", wards_hint: "Mã phường, cách nhau bằng dấu phẩy. Để trống là cả thành phố.", end: "Kết thúc diễn tập", ended: "Đã kết thúc; {n} tin diễn tập còn lại được đóng cùng lúc.", exercises: "Diễn tập", none: "Không có cuộc diễn tập nào đang chạy.", from_until: "{from} – {until}", whole_city: "cả thành phố", link: "Trang người dân khi diễn tập",
    citizen: "ĐANG DIỄN TẬP. Tin gửi từ trang này được đánh dấu là diễn tập.", citizen_leave: "Có việc thật: bỏ dấu diễn tập", citizen_mark: "Tin diễn tập",
  },
  {
    exercise: "EXERCISE", exercise_of: "EXERCISE: {name}", runs: "An exercise runs: {name} (until {until})", join: "Join the exercise", leave: "Leave the exercise", joined: "This desk has joined: its reports ring.", not_joined: "This desk has not joined: its reports do not ring.",
    real: "This is real", made_real: "{who} said at {at} that it is real", not_counted: "Practice: it is not counted and has no deadlines.", as_exercise: "Practice – {name}", as_exercise_hint: "Only when it is practice for certain. Without the mark it is real.",
    make: "Make an exercise", make_now: "Begin", name: "Name of the exercise", name_hint: "For example: Fire exercise, fourth quarter", hours: "It lasts", hours_n: "{n} hours", wards: "Wards", wards_hint: "Codes, between commas. Left empty it is the whole city.", end: "End the exercise", ended: "Ended; {n} reports of it that were left are closed together.", exercises: "Exercises", none: "No exercise runs.", from_until: "{from} – {until}", whole_city: "whole city", link: "The citizen's page in the exercise",
    citizen: "EXERCISE. Reports from this page are marked as practice.", citizen_leave: "Something real: take the mark away", citizen_mark: "Practice",
  },
);
