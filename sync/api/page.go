package api

import (
	_ "embed"
	"html/template"
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

//go:embed page.html
var pageHTML string

//go:embed page.js
var pageJS []byte

//go:embed page.css
var pageCSS []byte

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

func (s *Server) page(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return pageTemplate.Execute(w, struct{ Title string }{s.Title})
}

func static(w http.ResponseWriter, kind string, b []byte) error {
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(b) // the client has gone; there is nobody to tell
	return nil
}

func (s *Server) pageScript(w http.ResponseWriter, _ *http.Request) error {
	return static(w, "text/javascript; charset=utf-8", pageJS)
}

func (s *Server) pageStyle(w http.ResponseWriter, _ *http.Request) error {
	return static(w, "text/css; charset=utf-8", pageCSS)
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
