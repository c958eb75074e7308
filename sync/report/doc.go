// Package report is what a source may send: it parses and checks the JSON of a
// report (DESIGN.md, section 5), with limits, and with errors that name the
// field and say what to do. A ward's door and the city's door use it alike, so
// that the same bytes give the same report, the same warnings and the same
// [Report.Fingerprint] wherever they arrive.
//
// It promises:
//
//   - What it accepts is JSON (RFC 8259) in UTF-8, and its values are those that
//     encoding/json reads for the same exact keys, the last of repeated ones
//     (numbers exact to the last digit, texts mended as below).
//   - A wrong clock never refuses a report: a time that cannot be read, or (see
//     [Report.When]) cannot be right, gives a [Warning].
//   - Unknown fields are ignored, whatever is in them, down to [MaxDepth].
//   - A refusal is a *[Problem] of a closed list; it carries the report's id
//     whenever that could be read, so that the sender learns what was refused.
//   - Neither a problem nor a warning repeats anything that the source wrote:
//     both may stand in logs.
//
// Repeated keys: id and category given twice refuse the report, because two
// readers could take it for two different ones; of any other field the last
// stands, whole (repeated objects are not joined), with a warning.
//
// Text: escaped halves of surrogate pairs and escaped NUL characters become
// U+FFFD, with a warning; they come from programs that cut a text in the middle
// of an emoji or send a buffer's end, and nobody in danger is refused for it.
// Everything else in a text is kept as it was sent; who shows it escapes it.
//
// The package keeps nothing, reads no clock, and does not know who sent a
// report, whether it came before, or where it goes.
package report
