package api

import (
	_ "embed"
	"net/http"
)

//go:embed openapi.yaml
var openapiYAML []byte

//go:embed asyncapi.yaml
var asyncapiYAML []byte

// OpenAPI describes the HTTP interface.
func OpenAPI() []byte { return openapiYAML }

// AsyncAPI describes the messages of devices over MQTT.
func AsyncAPI() []byte { return asyncapiYAML }

func static(w http.ResponseWriter, kind string, b []byte) error {
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(b) // the client has gone; there is nobody to tell
	return nil
}

func (s *Server) openapi(w http.ResponseWriter, _ *http.Request) error {
	return static(w, "application/yaml", openapiYAML)
}

func (s *Server) asyncapi(w http.ResponseWriter, _ *http.Request) error {
	return static(w, "application/yaml", asyncapiYAML)
}

// screen answers with a file of the built screens.
func (s *Server) screen(w http.ResponseWriter, r *http.Request) error {
	if !s.screens.Serve(w, r) {
		return Problem(404, "not-found", "", "there is nothing at %s", r.URL.Path)
	}
	return nil
}

// home is the screen of whoever comes without a path: at a station the ward desk,
// at the core the command centre.
func (s *Server) home(w http.ResponseWriter, r *http.Request) error {
	r = r.Clone(r.Context())
	r.URL.Path = "/desk/"
	if _, city := s.Backend.(CityLog); city {
		r.URL.Path = "/command/"
	}
	return s.screen(w, r)
}
