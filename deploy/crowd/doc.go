// Package crowd plays the people and devices of a city that are not there:
// apps and kiosks that report over MQTT or HTTP, alarm receivers and panic
// buttons on the city's cables.
//
// An app keeps every report until its city receipt and offers it again, under
// the same id, on each new connection and when the station's incarnation
// changes; so an acknowledged report survives a station's disk. What is
// reported comes from a seed: the same seed gives the same reports, but for their
// ids and times, which are new with each run.
//
// It counts what was sent and answered and prints one line a second. It ends
// with an error when a report was never acknowledged. Whether the city really
// has what it acknowledged is for others to check: Options.IDs names a file of
// the acknowledged ids.
package crowd
