// Words that every screen shares: the closed lists of the record and the line.
import { words } from "./i18n";

export const w = words(
  {
    app: "Wardline",
    security: "An ninh trật tự", crime: "Hình sự", traffic_accident: "Tai nạn giao thông", fire: "Cháy nổ", emergency: "Khẩn cấp",
    medical: "Y tế", panic: "Nút khẩn cấp", feedback: "Phản ánh",
    received: "Mới", claimed: "Đã nhận", classified: "Đã phân loại", verified: "Đã xác minh", dispatched: "Đã điều lực lượng",
    on_scene: "Tại hiện trường", resolved: "Đã xử lý", closed: "Đã đóng",
    told: "Đã báo", seen: "Đã xem", accepted: "Đã tiếp nhận", forwarded: "Đã chuyển", done: "Xong",
    ward_officer: "Trực ban phường", department_officer: "Trực ban phòng nghiệp vụ", command_officer: "Trực ban chỉ huy",
    supervisor: "Chỉ huy ca", administrator: "Quản trị", auditor: "Kiểm tra",
    user: "Tài khoản", password: "Mật khẩu", log_in: "Đăng nhập", log_out: "Đăng xuất", wrong_password: "Sai tài khoản hoặc mật khẩu.",
    no_answer: "Máy chủ chưa trả lời; đang thử lại.", cancel: "Bỏ qua", close: "Đóng", save: "Ghi", back: "Quay lại", yes: "Có", no: "Không",
    theme_dark: "Nền tối", theme_light: "Nền sáng", to_english: "English", to_vietnamese: "Tiếng Việt",
    live: "Trực tuyến", connecting: "Đang nối lại", silent: "Mất tín hiệu {age} – số liệu cũ", logged_out: "Đã hết phiên – đăng nhập lại",
    line_ok: "WAN ● · LAN ●", line_lag: "WAN ● · {n} chờ gửi · LAN ●", line_cut: "WAN mất {age} · {n} chờ gửi · LAN ●",
    line_connecting: "WAN đang nối · {n} chờ gửi · LAN ●", line_local: "Thành phố ●", line_unknown: "WAN ? · LAN ✕ {age}",
    now: "vừa xong", overdue: "QUÁ HẠN +{age}",
  },
  {
    app: "Wardline",
    security: "Security", crime: "Crime", traffic_accident: "Traffic accident", fire: "Fire", emergency: "Emergency",
    medical: "Medical", panic: "Panic button", feedback: "Feedback",
    received: "New", claimed: "Claimed", classified: "Classified", verified: "Verified", dispatched: "Dispatched",
    on_scene: "On scene", resolved: "Resolved", closed: "Closed",
    told: "Told", seen: "Seen", accepted: "Accepted", forwarded: "Forwarded", done: "Done",
    ward_officer: "Ward duty officer", department_officer: "Department duty officer", command_officer: "Command duty officer",
    supervisor: "Supervisor", administrator: "Administrator", auditor: "Auditor",
    user: "User", password: "Password", log_in: "Log in", log_out: "Log out", wrong_password: "User or password is wrong.",
    no_answer: "The server does not answer yet; trying again.", cancel: "Cancel", close: "Close", save: "Save", back: "Back", yes: "Yes", no: "No",
    theme_dark: "Dark", theme_light: "Light", to_english: "English", to_vietnamese: "Tiếng Việt",
    live: "Live", connecting: "Reconnecting", silent: "No signal for {age} – old figures", logged_out: "Session ended – log in again",
    line_ok: "WAN ● · LAN ●", line_lag: "WAN ● · {n} to send · LAN ●", line_cut: "WAN lost {age} · {n} to send · LAN ●",
    line_connecting: "WAN connecting · {n} to send · LAN ●", line_local: "City ●", line_unknown: "WAN ? · LAN ✕ {age}",
    now: "just now", overdue: "OVERDUE +{age}",
  },
);
