package audit

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"wardline/sync/record"
)

// Evidence is one incident's proof as one file that people can keep and open: a
// ZIP archive of the timelines, the export and a manifest that the log's key signed.
type Evidence struct {
	Timeline
	// Export is an export of the incident, see NewIncident.
	Export []byte
}

// Limits of evidence.
const (
	// MaxEvidence bounds the archive, in bytes: the largest incident that the city
	// knows, a panel that rang for hours, has 1,200 entries and comes to 4 MB.
	MaxEvidence = 64 << 20
	// MaxEvidenceEntries bounds the entries of one incident in an archive.
	MaxEvidenceEntries = 20_000
)

const (
	exportName   = "proof.wardline"
	manifestName = "manifest.txt"
	manifestHead = "wardline evidence"
)

// member is a file of the archive.
type member struct {
	name string
	data []byte
}

func timelineName(l Lang) string { return "timeline." + string(l) + ".html" }

// Archive is the evidence as a file. The same evidence gives the same bytes.
func (e *Evidence) Archive(signer *Signer) ([]byte, error) {
	var list []member
	for _, l := range Langs {
		html, err := e.HTML(l)
		if err != nil {
			return nil, err
		}
		list = append(list, member{timelineName(l), html})
	}
	list = append(list, member{exportName, e.Export})
	m := manifest{Incident: e.Incident, Entries: uint64(len(e.Entries)), Size: e.Checkpoint.Size, At: e.At, files: list}
	note, err := signer.note(m.text())
	if err != nil {
		return nil, err
	}
	out := pack(append(list, member{manifestName, note}))
	if len(out) > MaxEvidence {
		return nil, fmt.Errorf("audit: evidence of %d bytes, at most %d", len(out), MaxEvidence)
	}
	return out, nil
}

// manifest is what the log's key signs about an archive: with it the city says
// that these are all entries it had about the incident.
type manifest struct {
	Incident record.ID
	Entries  uint64
	Size     uint64 // of the log then
	At       int64
	files    []member
}

func (m *manifest) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nincident %s\nentries %d\nlog %d\nmade %s\n", manifestHead, m.Incident, m.Entries, m.Size, utc(m.At))
	for _, f := range m.files {
		fmt.Fprintf(&b, "%x %d %s\n", sha256.Sum256(f.data), len(f.data), f.name)
	}
	return b.String()
}

// pack writes a ZIP archive (PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16) in the one form
// that it has here: nothing compressed, no times, nothing extra. So a changed byte
// anywhere is found by packing anew.
func pack(list []member) []byte {
	const utf8Names, epoch = 1 << 11, 1<<5 | 1 // 1980-01-01
	le := binary.LittleEndian
	var out, dir []byte
	for _, f := range list {
		at := len(out)
		fields := le.AppendUint16(nil, 20) // version to extract
		fields = le.AppendUint16(fields, utf8Names)
		fields = le.AppendUint16(fields, uint16(zip.Store))
		fields = le.AppendUint16(fields, 0) // time
		fields = le.AppendUint16(fields, epoch)
		fields = le.AppendUint32(fields, crc32.ChecksumIEEE(f.data))
		fields = le.AppendUint32(fields, uint32(len(f.data)))
		fields = le.AppendUint32(fields, uint32(len(f.data)))
		fields = le.AppendUint16(fields, uint16(len(f.name)))
		fields = le.AppendUint16(fields, 0) // extra
		out = append(append(append(append(out, "PK\x03\x04"...), fields...), f.name...), f.data...)
		dir = append(le.AppendUint16(append(dir, "PK\x01\x02"...), 20), fields...)
		dir = append(dir, make([]byte, 10)...) // no comment, disk 0, no attributes
		dir = append(le.AppendUint32(dir, uint32(at)), f.name...)
	}
	end := append([]byte("PK\x05\x06"), 0, 0, 0, 0)
	end = le.AppendUint16(end, uint16(len(list)))
	end = le.AppendUint16(end, uint16(len(list)))
	end = le.AppendUint32(end, uint32(len(dir)))
	end = le.AppendUint32(end, uint32(len(out)))
	return append(append(out, dir...), le.AppendUint16(end, 0)...)
}

// unpack reads what pack wrote, and nothing else.
func unpack(raw []byte) ([]member, error) {
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	names := make([]string, 0, len(Langs)+2)
	for _, l := range Langs {
		names = append(names, timelineName(l))
	}
	names = append(names, exportName, manifestName)
	if len(z.File) != len(names) {
		return nil, fmt.Errorf("%w: the archive has %d files, not %d", ErrForm, len(z.File), len(names))
	}
	var list []member
	for i, f := range z.File {
		if f.Name != names[i] || f.Method != zip.Store || f.UncompressedSize64 > uint64(len(raw)) {
			return nil, fmt.Errorf("%w: %.40q stands in the archive where %s should", ErrForm, f.Name, names[i])
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrForm, f.Name, err)
		}
		data, err := io.ReadAll(io.LimitReader(r, int64(len(raw))))
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrForm, f.Name, err)
		}
		list = append(list, member{f.Name, data})
	}
	return list, nil
}

// verifyArchive verifies evidence: the export in it, then the manifest over everything.
func verifyArchive(ctx context.Context, raw []byte, o Options) (*Result, error) {
	list, err := unpack(raw)
	if err != nil {
		return nil, &Fault{Offset: -1, What: err.Error()}
	}
	files, note := list[:len(list)-1], list[len(list)-1].data
	res, err := Verify(ctx, bytes.NewReader(files[len(files)-1].data), o)
	if err != nil {
		var f *Fault
		if errors.As(err, &f) {
			f.What += ", in " + exportName
		}
		return nil, err
	}
	text, err := res.Key.open(note)
	if err != nil {
		return nil, &Fault{Offset: -1, What: manifestName, err: err}
	}
	m := manifest{Incident: res.Incident, Entries: res.Entries, Size: res.Checkpoint.Size, files: files}
	lines := strings.Split(text, "\n")
	want := strings.Split(m.text(), "\n")
	if len(lines) != len(want) {
		return nil, &Fault{Offset: -1, What: manifestName + " is of another kind"}
	}
	const made = 4
	for i := range want {
		switch {
		case lines[i] == want[i] || i == made && strings.HasPrefix(lines[i], "made "):
		case i > made:
			return nil, &Fault{Offset: -1, What: fmt.Sprintf("%s was changed: its length and sum are not those of %s", files[i-made-1].name, manifestName)}
		default:
			return nil, &Fault{Offset: -1, What: fmt.Sprintf("%s says %.80q, and the proof %.80q: entries were left out, or it belongs to other evidence", manifestName, lines[i], want[i])}
		}
	}
	if !bytes.Equal(pack(list), raw) {
		return nil, &Fault{Offset: -1, What: "the archive was packed anew, or damaged between its files; the files in it are whole"}
	}
	res.Files = len(list)
	return res, nil
}

// VerifyFile verifies an export of either kind, or evidence.
func VerifyFile(ctx context.Context, r io.Reader, o Options) (*Result, error) {
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	rest := io.MultiReader(bytes.NewReader(head[:n]), r)
	if string(head[:n]) != "PK\x03\x04" {
		return Verify(ctx, rest, o)
	}
	raw, err := io.ReadAll(io.LimitReader(rest, MaxEvidence+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > MaxEvidence {
		return nil, &Fault{Offset: -1, What: fmt.Sprintf("an archive of more than %d bytes", MaxEvidence)}
	}
	return verifyArchive(ctx, raw, o)
}
