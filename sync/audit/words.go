package audit

// dictionary gives a word in both languages: Vietnamese, English. What is not in
// it stands as it is: units, patrols and words of later versions.
type dictionary map[string][2]string

func (d dictionary) in(l Lang, word string) string {
	w, ok := d[word]
	switch {
	case !ok:
		return word
	case l == Vietnamese:
		return w[0]
	}
	return w[1]
}

var words = dictionary{
	"title":  {"Hồ sơ vụ việc", "Record of an incident"},
	"course": {"Diễn biến", "What happened"},
	"status": {"Trạng thái", "Status"}, "category": {"Loại", "Category"}, "priority": {"Mức ưu tiên", "Priority"},
	"received": {"Đã tiếp nhận tin", "Received"}, "happened": {"Thời điểm theo nguồn tin", "Happened, by the source"}, "place": {"Vị trí", "Place"},
	"lead": {"Đơn vị chủ trì", "Led by"}, "told": {"Đã báo cho", "Told"}, "merged": {"Gộp với vụ việc", "Merged with"},
	"missing": {"Mục được nhắc đến nhưng không thuộc vụ việc này", "Entries referred to that are not of this incident"},
	"entries": {"Số mục", "Entries"}, "made": {"Lập lúc", "Made"}, "for": {"Lập cho", "Made for"},
	"officer": {"cán bộ", "officer"}, "device": {"thiết bị", "device"}, "system": {"hệ thống", "system"},
	"entry": {"Mục", "Entry"}, "ward": {"Phường", "Ward"}, "unit": {"Đơn vị", "Unit"}, "to unit": {"Chuyển đến đơn vị", "To unit"},
	"to officer": {"Bàn giao cho", "To officer"}, "reason": {"Lý do", "Reason"}, "patrol": {"Lực lượng", "Patrol"}, "distance": {"Khoảng cách", "Distance"},
	"about entry": {"Về mục", "About entry"}, "other incident": {"Vụ việc khác", "Other incident"}, "medium": {"Tệp", "Medium"},
	"deadline": {"Thời hạn", "Deadline"}, "step": {"Bước", "Step"}, "until": {"Đến", "Until"}, "epoch": {"Lần mở lại", "Times reopened"},
	"rules": {"Quy tắc", "Rules"}, "detail": {"Chi tiết", "Detail"}, "content": {"Nội dung", "Content"},
	"text": {"Nội dung tin", "Text"}, "place_text": {"Mô tả vị trí", "Description of the place"}, "reporter": {"Người báo tin", "Reporter"},
	"name": {"họ tên", "name"}, "phone": {"điện thoại", "phone"}, "anonymous": {"ẩn danh", "anonymous"}, "summary": {"Tóm tắt", "Summary"},
	"type": {"Kiểu", "Type"}, "bytes": {"Byte", "Bytes"}, "media": {"Ảnh, video và tài liệu", "Photos, clips and documents"},
	"media how": {"Một tệp là bản gốc khi giá trị SHA-256 của nó trùng với giá trị ở đây (lệnh sha256sum).", "A file is the original when its SHA-256 sum is the one that stands here (command sha256sum)."},
	"chain":     {"Chuỗi", "Chain"}, "repeat mark": {"đến lần nữa", "came again"}, "unsure": {"đồng hồ chưa được xác nhận", "clock not confirmed"},
	"sealed": {"Phần có thông tin cá nhân được niêm phong.", "The part that identifies people is sealed."},
	"proof":  {"Bằng chứng", "Proof"},
	"proof what": {"Mọi mục trên đây nằm trong nhật ký của thành phố, được ký như sau. Sửa, bớt hay thêm một mục thì chữ ký không còn đúng.",
		"Every entry above is in the city's log, which was signed as follows. If one were changed, removed or added, the signature would no longer hold."},
	"proof how": {"Kiểm tra ngoại tuyến toàn bộ tệp ZIP chứa trang này; so dấu vân tay của khóa với dấu vân tay do thành phố công bố:",
		"To verify the ZIP file that this page came in, offline; compare the fingerprint of the key with the one that the city published:"},
	"entries in the log": {"Số mục trong nhật ký", "Entries in the log"}, "root": {"Gốc cây Merkle", "Merkle root"}, "signed": {"Ký lúc", "Signed"},
	"key": {"Khóa của nhật ký", "Key of the log"}, "fingerprint": {"Dấu vân tay SHA-256 của khóa", "Fingerprint of the key, SHA-256"},

	"report": {"Tin báo", "Report"}, "signal": {"Tín hiệu thiết bị", "Signal"}, "routed": {"Phân luồng", "Routed"}, "missed": {"Quá hạn", "Deadline missed"},
	"suggested": {"Gợi ý cùng một vụ việc", "Suggested as one event"}, "void": {"Vô hiệu", "Void"}, "alarm": {"Cảnh báo của hệ thống", "System alarm"},
	"real": {"Xác nhận là thật, không phải diễn tập", "Found to be real, no exercise"}, "erasure": {"Xóa thông tin định danh", "Identity erased"}, "erased": {"Đã hủy khóa", "Keys destroyed"},
	"claim": {"Nhận xử lý", "Claim"}, "release": {"Trả lại", "Release"}, "classify": {"Phân loại", "Classify"}, "verify": {"Xác minh", "Verify"},
	"forward": {"Chuyển", "Forward"}, "accept": {"Tiếp nhận", "Accept"}, "dispatch": {"Điều lực lượng", "Dispatch"}, "arrive": {"Đến hiện trường", "Arrive"},
	"resolve": {"Giải quyết", "Resolve"}, "close": {"Đóng", "Close"}, "reopen": {"Mở lại", "Reopen"}, "note": {"Ghi chú", "Note"},
	"contact": {"Liên hệ", "Contact"}, "merge": {"Gộp", "Merge"}, "split": {"Tách", "Split"}, "park": {"Tạm gác", "Park"},
	"handover": {"Bàn giao", "Handover"}, "withdraw": {"Rút lại", "Withdraw"}, "redact": {"Che nội dung", "Redact"}, "opened": {"Mở danh tính người báo", "Reporter's identity opened"},

	"claimed": {"đã nhận xử lý", "claimed"}, "classified": {"đã phân loại", "classified"}, "verified": {"đã xác minh", "verified"},
	"dispatched": {"đã điều lực lượng", "dispatched"}, "on_scene": {"tại hiện trường", "on scene"}, "resolved": {"đã giải quyết", "resolved"}, "closed": {"đã đóng", "closed"},

	"security": {"An ninh trật tự", "Security"}, "crime": {"Tội phạm", "Crime"}, "traffic_accident": {"Tai nạn giao thông", "Traffic accident"},
	"fire": {"Cháy", "Fire"}, "emergency": {"Khẩn cấp", "Emergency"}, "medical": {"Y tế", "Medical"}, "panic": {"Kêu cứu", "Panic"}, "feedback": {"Phản ánh", "Feedback"},

	"clock in doubt":                 {"Đồng hồ của nguồn tin không đáng tin", "The source's clock is in doubt"},
	"other content under a known id": {"Nội dung khác dưới mã đã có", "Other content under a known id"},
	"silent alarm":                   {"Báo động im lặng", "Silent alarm"},
	"written while the line was cut": {"Ghi khi mất đường truyền", "Written while the line was cut"},
	"unknown code":                   {"Mã không có trong danh mục", "Unknown code"},
	"short account":                  {"Số tài khoản thiếu chữ số", "Short account"},
	"place approximate":              {"Vị trí gần đúng", "Place approximate"},
	"cancelled by the source":        {"Nguồn tin đã hủy", "Cancelled by the source"},
	"outside every ward":             {"Ngoài mọi phường", "Outside every ward"},
	"holds the summary":              {"Có bản tóm tắt", "Holds the summary"},
	"routed by the station alone":    {"Trạm tự phân luồng", "Routed by the station alone"},
}
