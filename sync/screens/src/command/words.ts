// The words of the command centre.
import { words } from "../lib/i18n";

export const c = words(
  {
    title: "Trung tâm chỉ huy", desk_of: "Bàn trực {unit}", city: "Thành phố", stations: "Trạm phường", missed: "Quá hạn", figures: "Số liệu 24 giờ", quality: "Chất lượng báo động", wall: "Màn hình lớn", leave_wall: "Rời màn hình lớn",
    open_n: "{n} vụ đang mở", none_open: "không có vụ mở", silent_n: "{n} trạm im lặng", worst: "nặng nhất {p}", station_silent: "Trạm im lặng từ {age}", station_never: "Trạm chưa từng kết nối", station_ok: "Trạm ●", no_station: "chưa có trạm",
    station: "Trạm", line: "Đường truyền", waits: "Chờ gửi", heard: "Nghe lần cuối", devices: "Thiết bị", device_silent: "{n} im lặng", alarms: "Cảnh báo", ok: "●", lost: "MẤT", asked_at: "Hỏi lúc {time}", no_answer: "Chưa đọc được trạm.",
    missed_none: "Không có bước nào quá hạn.", step: "Bước", ward: "Phường", late: "Trễ", incident: "Vụ việc", who: "Đơn vị", progress: "Tiến độ từng đơn vị",
    by_category: "Theo loại", by_ward: "Theo phường", by_hour: "Theo giờ", count: "Số tin", still_open: "Còn mở", share_false: "Tin giả", csv: "Tải CSV", csv_hint: "Dấu phẩy ngăn cột (RFC 4180): cho phần mềm khác", xlsx: "Tải Excel", xlsx_hint: "Mở đúng bằng Excel và LibreOffice, máy cài tiếng nào cũng vậy", reports_n: "{n} tin", nothing: "Chưa có tin nào trong 24 giờ.", verified_n: "{n} đã kết luận",
    rate: "Tin trong giờ qua", flood: "Nhiều nhất trong 10 phút", flood_yes: "NGẬP – trên 10 tin trong 10 phút", flood_no: "bình thường", share: "Tỉ lệ {p}", wanted: "nên khoảng {n} %", sources: "Nguồn hay sai", source: "Nguồn", reading: "Đang đọc…",
    statistics: "Thống kê", period: "Thời gian", period_today: "Hôm nay", period_7: "7 ngày", period_30: "30 ngày", period_span: "Chọn ngày", from: "Từ", to: "Đến", span_wrong: "Chọn ngày bắt đầu trước ngày kết thúc, nhiều nhất một năm.", counted_at: "tính lúc {at}", by_step: "Theo bước",
    done: "Đã làm", median: "Trung vị", p90: "90 % trong vòng", with_deadline: "Có thời hạn", late_n: "Trễ hạn", no_lead: "Chưa có đơn vị chủ trì", cut: "Quá nhiều tin: chỉ tính từ {at}.", statistics_note: "Thời gian tính từ lúc tiếp nhận tin. Các bảng dưới theo bước: {step}.",
    sheet_title: "Wardline – thống kê xử lý tin báo", sheet_units: "Thời gian tính bằng giây từ lúc tiếp nhận", group: "Nhóm", key: "Mục", verdicts: "Đã kết luận", false_n: "Tin giả", all: "Tất cả", median_s: "trung vị (giây)", p90_s: "90 % trong vòng (giây)",
    search_hint: "Bấm vào một phường trên bản đồ để lọc danh sách; bấm lần nữa để bỏ lọc.", unclaimed: "Chưa ai nhận", more_n: "và {n} vụ nữa", to_claim: "Thời gian đến khi nhận (trung vị)",
  },
  {
    title: "Command centre", desk_of: "Duty desk {unit}", city: "The city", stations: "Ward stations", missed: "Overdue", figures: "Last 24 hours", quality: "Alarm quality", wall: "Wall", leave_wall: "Leave the wall",
    open_n: "{n} open", none_open: "nothing open", silent_n: "{n} stations silent", worst: "worst {p}", station_silent: "Station silent for {age}", station_never: "Station never connected", station_ok: "Station ●", no_station: "no station yet",
    station: "Station", line: "Line", waits: "To send", heard: "Last heard", devices: "Devices", device_silent: "{n} silent", alarms: "Alarms", ok: "●", lost: "LOST", asked_at: "Asked at {time}", no_answer: "The stations could not be read yet.",
    missed_none: "No step is overdue.", step: "Step", ward: "Ward", late: "Late", incident: "Incident", who: "Unit", progress: "Progress of each unit",
    by_category: "By kind", by_ward: "By ward", by_hour: "By hour", count: "Reports", still_open: "Still open", share_false: "False", csv: "Download CSV", csv_hint: "Columns with commas (RFC 4180): for other programs", xlsx: "Download Excel", xlsx_hint: "Opens right in Excel and LibreOffice, whatever language the computer is set to", reports_n: "{n} reports", nothing: "No report in 24 hours.", verified_n: "{n} with a verdict",
    rate: "Reports in the last hour", flood: "Most in ten minutes", flood_yes: "FLOOD – more than 10 reports in ten minutes", flood_no: "normal", share: "Share of {p}", wanted: "about {n} % is healthy", sources: "Sources that are often false", source: "Source", reading: "Reading…",
    statistics: "Statistics", period: "Time", period_today: "Today", period_7: "7 days", period_30: "30 days", period_span: "Choose days", from: "From", to: "To", span_wrong: "Choose a first day before the last, at most a year apart.", counted_at: "counted at {at}", by_step: "By step",
    done: "Done", median: "Median", p90: "90 % within", with_deadline: "With a deadline", late_n: "Late", no_lead: "No unit leads yet", cut: "Too many reports: counted from {at} only.", statistics_note: "Times run from when the report was received. The tables below are of the step: {step}.",
    sheet_title: "Wardline – statistics of reports", sheet_units: "Times in seconds from when the report was received", group: "Group", key: "Of", verdicts: "With a verdict", false_n: "False", all: "All", median_s: "median (seconds)", p90_s: "90 % within (seconds)",
    search_hint: "Press a ward on the map to filter the list; press again to end that.", unclaimed: "Nobody has it", more_n: "and {n} more", to_claim: "Time until claimed (median)",
  },
);
