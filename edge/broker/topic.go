package broker

import (
	"strings"

	"wardline/sync/record"
)

// The last part of a topic, wardline/v1/{ward}/{device}/{leaf}, and of the one
// that all in a ward read, wardline/v1/{ward}/alert.
const (
	leafReport  = "report"
	leafStatus  = "status"
	leafReceipt = "receipt"
	leafCommand = "command"
	leafAlert   = "alert"

	topicRoot = "wardline/v1/"
)

// Topics of a device, and of a ward's alert.
func deviceTopic(d Device, leaf string) string {
	return topicRoot + string(d.Ward) + "/" + d.ID + "/" + leaf
}

// ReceiptTopic is where the station tells a device how far its reports are.
func ReceiptTopic(ward record.WardCode, device string) string {
	return deviceTopic(Device{ID: device, Ward: ward}, leafReceipt)
}

// CommandTopic is where the station tells a device what to do.
func CommandTopic(ward record.WardCode, device string) string {
	return deviceTopic(Device{ID: device, Ward: ward}, leafCommand)
}

// AlertTopic is what all devices of a ward may read.
func AlertTopic(ward record.WardCode) string { return topicRoot + string(ward) + "/" + leafAlert }

// ReportTopic is where a device publishes its reports.
func ReportTopic(ward record.WardCode, device string) string {
	return deviceTopic(Device{ID: device, Ward: ward}, leafReport)
}

// StatusTopic is where a device publishes its state, retained.
func StatusTopic(ward record.WardCode, device string) string {
	return deviceTopic(Device{ID: device, Ward: ward}, leafStatus)
}

// maySubscribe is the access list for reading: a device's own receipt, command and
// status, its own subtree, and the alert of its ward. No other wildcard is
// granted, because it could match what belongs to somebody else.
func maySubscribe(d Device, filter string) bool {
	switch filter {
	case deviceTopic(d, leafReceipt), deviceTopic(d, leafCommand), deviceTopic(d, leafStatus),
		deviceTopic(d, "#"), AlertTopic(d.Ward):
		return true
	}
	return false
}

// safeDeviceID says whether an id can stand in a topic without meaning anything
// else there.
func safeDeviceID(id string) bool {
	return id != "" && len(id) <= maxDeviceID && !strings.ContainsAny(id, "/+#$\x00")
}

// maxDeviceID is the longest device id: a UUID with a readable prefix fits twice.
const maxDeviceID = 128
