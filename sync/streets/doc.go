// Package streets reads one file of map tiles (PMTiles version 3, vector tiles) that
// an operator lays beside a station or a core node, so that the desks draw streets and
// water under the wards' boundaries without any tile server.
//
// The file is checked when it is opened: what its header, its first directory and its
// sizes say must hold. It is an ornament: whoever opens it goes on without it, and says
// so. Nothing of it is kept in memory but a bounded number of directories.
//
// It knows nothing of what is drawn; the browser does (sync/screens, lib/streets.ts).
package streets
