// Package drill is a city with faults, all of it in one process and in virtual
// time: the real ledger, the real line on both ends and the real state of the
// city, over a network, a cluster and a device's hand that follow a seed. It
// holds tests alone.
package drill
