package crowd

import "wardline/sync/record"

// texts is what people write, per category; much of it is no emergency.
var texts = map[record.Category][]string{
	record.Feedback: {
		"Cho hỏi giờ làm việc của bộ phận một cửa", "Đèn đường trước hẻm bị hư ba hôm nay", "Góp ý: bảng hướng dẫn ở trụ sở khó đọc",
		"Rác chưa được thu gom từ hôm qua", "Cảm ơn các anh công an đã giúp đỡ", "Thử ứng dụng xem có gửi được không", "Làm căn cước cho con nhỏ cần giấy tờ gì ạ",
		"Nắp cống bị bể, xe dễ sụp", "Ổ gà lớn trước cổng trường", "alo alo một hai ba", "Tôi muốn hỏi về đăng ký tạm trú",
	},
	record.Security: {
		"Nhà bên hát karaoke quá khuya", "Nhóm thanh niên tụ tập nẹt pô trước quán", "Có người lạ đi qua đi lại trong hẻm", "Hàng xóm cãi nhau lớn tiếng",
		"Bàn ghế lấn chiếm hết vỉa hè", "Chó thả rông không rọ mõm", "Xe lạ đậu trước cửa nhà từ sáng", "Công trình thi công ồn ào ban đêm", "Nghi có đá gà trong khu đất trống",
	},
	record.Crime: {
		"Bị giật điện thoại, hai người đi xe máy màu đen", "Mất xe máy để trước nhà trọ", "Có người cạy cửa nhà đối diện", "Đánh nhau trước quán nhậu, có người cầm cây", "Bị lừa chuyển tiền qua mạng",
	},
	record.TrafficAccident: {
		"Hai xe máy va chạm, có người bị thương ở chân", "Xe tải quẹt xe máy ở ngã tư", "Xe hơi tông dải phân cách, kẹt đường", "Một người té xe do đường trơn",
	},
	record.Fire: {
		"Cháy bãi rác, khói nhiều", "Có khói bốc ra từ nhà kho", "Cháy bình ga ở quán ăn", "Chập điện trên cột, đang phát lửa", "Báo cháy kêu trong chung cư, chưa thấy lửa",
	},
	record.Medical: {
		"Người lớn tuổi ngất xỉu ngoài chợ", "Có người khó thở, cần xe cấp cứu", "Em bé sốt co giật", "Người say nằm giữa đường, gọi không dậy",
	},
	record.Emergency: {
		"Cây ngã đè dây điện", "Nước ngập vào nhà, có người già không ra được", "Nghe mùi ga rất nặng trong hẻm", "Người kẹt trong thang máy",
	},
	record.Panic: {"Cứu tôi với", "Có người đang đuổi theo tôi", "Giúp tôi", "Bấm nhầm, xin lỗi"},
}

// places is how people say where; nothing is routed by it.
var places = []string{"Chung cư, tầng 5", "Hẻm bên hông chợ", "Đối diện trường tiểu học", "Gần cây xăng", "Trong bãi xe", "Cổng sau bệnh viện", "Dưới chân cầu", "Quán cà phê góc ngã tư"}

// names are nobody's.
var names = []string{"Anh Ba", "Chị Tư", "Cô Năm", "Bác Sáu", "Chú Bảy", "Người dân khu phố 3", "Bảo vệ ca đêm"}
