package api

import (
	"net/http"

	"wardline/sync/identity"
)

func (s *Server) machines() (Machines, error) {
	m, ok := s.Backend.(Machines)
	if !ok {
		return nil, Problem(404, "not-here", "", "machines are enrolled at the core")
	}
	return m, nil
}

func (s *Server) getMachines(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	m, err := s.machines()
	if err != nil {
		return err
	}
	list, err := m.ListMachines(r.Context())
	if err != nil {
		return err
	}
	return s.answer(w, 200, list)
}

func (s *Server) postMachine(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	m, err := s.machines()
	if err != nil {
		return err
	}
	var c MachineChange
	if err := readJSON(r, &c); err != nil {
		return err
	}
	done, err := m.ChangeMachine(r.Context(), o, c)
	if err != nil {
		return err
	}
	return s.answer(w, 200, done)
}
