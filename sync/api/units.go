package api

import (
	"slices"
	"sync"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// AllUnits lists the command centre, the departments and every ward.
var AllUnits = sync.OnceValue(func() []Unit {
	out := []Unit{{record.Command, "Trung tâm Thông tin chỉ huy"},
		{"PC01", "Văn phòng Cơ quan Cảnh sát điều tra"}, {"PC02", "Cảnh sát hình sự"}, {"PC03", "Cảnh sát kinh tế"}, {"PC04", "Cảnh sát ma túy"},
		{"PC06", "Quản lý hành chính về trật tự xã hội"}, {"PC07", "Cảnh sát PCCC và cứu nạn, cứu hộ"},
		{"PC08", "Cảnh sát giao thông"}, {"PK02", "Cảnh sát cơ động"}, {"PA05", "An ninh mạng"}}
	w := routing.Centres()
	for i := range w.Len() {
		out = append(out, Unit{record.WardUnit(w.At(i).Code), w.At(i).Name})
	}
	return slices.Clip(out)
})
