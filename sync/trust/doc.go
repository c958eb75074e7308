// Package trust says which machine speaks: names in certificates of the city's
// authority, TLS 1.3 with both sides verified, a door that bounds who has not
// proven anything yet, and a station's own certificate with how it is renewed.
//
// It promises: the name in a verified certificate is the only source of who a
// machine is; nobody is let in by an older version of TLS, without a certificate, or
// with one that has ended or was made by somebody else; whom the authority or the
// city's state turns away is turned away at the next handshake, without a restart.
//
// It does not make certificates (core/pki does) and knows nothing of people and devices.
package trust
