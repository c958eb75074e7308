// The words about public warnings.
import { words } from "../lib/i18n";

export const n = words(
  {
    warnings: "Cảnh báo", warn: "Phát cảnh báo", none: "Chưa có cảnh báo nào.", holds: "đang phát", expired: "hết hiệu lực", updated: "đã thay", cancelled: "đã hủy", cancel: "tin hủy", until: "còn hiệu lực đến {at}", was_until: "hiệu lực đến {at}",
    update: "Cập nhật", take_back: "Hủy cảnh báo", exercise: "DIỄN TẬP", exercise_hint: "Diễn tập: chỉ các trạm và bàn trực thấy, người dân không thấy.", as_exercise: "Diễn tập", real_or_not: "Thật hay diễn tập", for_real: "Thật", for_real_hint: "Điện thoại, ki-ốt và trang người dân đều nhận.", choose_real: "Bàn này đang tham gia diễn tập: hãy chọn cảnh báo này là thật hay diễn tập.", not_in_exercise: "“{name}” chỉ diễn tập ở {wards}.",
    reached: "{s}/{all} trạm đã có · {d}/{l} thiết bị đã nhận", reached_none: "chưa trạm nào trả lời", in_ward: "{d}/{l} thiết bị đã nhận", not_at_city: "thành phố chưa có",
    title_alert: "Cảnh báo người dân", title_update: "Cập nhật cảnh báo", title_cancel: "Hủy cảnh báo", who: "Gửi tới", wards: "Phường", wards_n: "{n} phường", ward_find: "Tìm phường", by_map: "Bấm vào phường để chọn, hoặc vẽ vùng.", draw: "Vẽ vùng", undraw: "Bỏ điểm cuối", clear: "Xóa vùng", points: "{n} điểm; vùng chạm phường nào thì gửi tới phường đó", map: "Bản đồ chọn vùng",
    category: "Loại", urgency: "Độ khẩn", severity: "Mức độ", certainty: "Độ chắc chắn", response: "Việc cần làm", no_response: "không nêu", hours: "Hiệu lực trong", hours_n: "{n} giờ", vi: "Tiếng Việt", en: "Tiếng Anh", event: "Sự việc", headline: "Tiêu đề", description: "Nội dung", instruction: "Hướng dẫn người dân",
    preview: "Xem trước", preview_title: "Xem lại rồi bấm lần nữa để phát", send_now: "Phát ngay", change: "Sửa lại", sent: "Đã ghi: {what}. Đang chuyển tới {n} phường.", missing: "Hãy chọn phường và ghi sự việc, tiêu đề bằng tiếng Việt.", only_cut: "Khi đường truyền còn thông, trung tâm chỉ huy phát cảnh báo.", own_ward: "Đường truyền đang đứt: bàn này chỉ cảnh báo phường của mình.",
    taken_back: "Cảnh báo “{what}” không còn hiệu lực.", taken_back_en: "The warning “{what}” is withdrawn.",
    Met: "Thời tiết, ngập lụt", Fire: "Cháy", Safety: "An toàn", Security: "An ninh", Rescue: "Cứu nạn", Health: "Y tế", Env: "Môi trường", Transport: "Giao thông", Infra: "Hạ tầng", Geo: "Sạt lở, động đất", CBRNE: "Hóa chất, bức xạ", Other: "Khác",
    Immediate: "Ngay bây giờ", Expected: "Trong giờ tới", Future: "Sắp tới", Past: "Đã qua", Unknown: "Chưa rõ", Extreme: "Đặc biệt nghiêm trọng", Severe: "Nghiêm trọng", Moderate: "Vừa", Minor: "Nhẹ",
    Observed: "Đã thấy tận mắt", Likely: "Rất có thể", Possible: "Có thể", Unlikely: "Ít khả năng", Shelter: "Trú tại chỗ", Evacuate: "Sơ tán", Prepare: "Chuẩn bị", Avoid: "Tránh xa", Monitor: "Theo dõi tin", AllClear: "Đã an toàn",
  },
  {
    warnings: "Warnings", warn: "Send a warning", none: "No warning yet.", holds: "on air", expired: "expired", updated: "replaced", cancelled: "cancelled", cancel: "cancellation", until: "holds until {at}", was_until: "held until {at}",
    update: "Update", take_back: "Cancel the warning", exercise: "EXERCISE", exercise_hint: "Exercise: stations and desks see it, the public does not.", as_exercise: "Exercise", real_or_not: "Real or exercise", for_real: "Real", for_real_hint: "Phones, kiosks and the citizen's page get it.", choose_real: "This desk takes part in an exercise: say whether this warning is real or part of it.", not_in_exercise: "“{name}” is held in {wards} alone.",
    reached: "{s}/{all} stations have it · {d}/{l} devices took it", reached_none: "no station has answered", in_ward: "{d}/{l} devices took it", not_at_city: "not at the city yet",
    title_alert: "Warn the public", title_update: "Update the warning", title_cancel: "Cancel the warning", who: "To", wards: "Wards", wards_n: "{n} wards", ward_find: "Find a ward", by_map: "Press wards to choose them, or draw an area.", draw: "Draw an area", undraw: "Remove the last point", clear: "Clear the area", points: "{n} points; every ward that the area touches is warned", map: "Map to choose the area",
    category: "Kind", urgency: "Urgency", severity: "Severity", certainty: "Certainty", response: "What to do", no_response: "not said", hours: "Holds for", hours_n: "{n} hours", vi: "Vietnamese", en: "English", event: "Event", headline: "Headline", description: "Description", instruction: "What people should do",
    preview: "Preview", preview_title: "Read it, then press again to send", send_now: "Send now", change: "Change it", sent: "Recorded: {what}. On its way to {n} wards.", missing: "Choose a ward and write event and headline in Vietnamese.", only_cut: "While the line stands, the command centre warns.", own_ward: "The line is cut: this desk warns its own ward alone.",
    taken_back: "Cảnh báo “{what}” không còn hiệu lực.", taken_back_en: "The warning “{what}” is withdrawn.",
    Met: "Weather, flood", Fire: "Fire", Safety: "Safety", Security: "Security", Rescue: "Rescue", Health: "Health", Env: "Environment", Transport: "Traffic", Infra: "Infrastructure", Geo: "Landslide, earthquake", CBRNE: "Chemicals, radiation", Other: "Other",
    Immediate: "Now", Expected: "Within the hour", Future: "Soon", Past: "Past", Unknown: "Unknown", Extreme: "Extreme", Severe: "Severe", Moderate: "Moderate", Minor: "Minor",
    Observed: "Observed", Likely: "Likely", Possible: "Possible", Unlikely: "Unlikely", Shelter: "Take shelter", Evacuate: "Evacuate", Prepare: "Prepare", Avoid: "Keep away", Monitor: "Follow the news", AllClear: "All clear",
  },
);
