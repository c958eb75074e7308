package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// Accounts takes officers' accounts into the city's log.
type Accounts interface {
	Accounts(ctx context.Context) ([]identity.Account, error)
	// ChangeAccount commits a change in an officer's name; an error is an *Error.
	ChangeAccount(ctx context.Context, by identity.Officer, c identity.Change) (identity.Account, error)
}

// PasswordChooser lets an officer choose a password where accounts are not made: at the
// ward's station, also while the city is away.
type PasswordChooser interface {
	ChoosePassword(ctx context.Context, o identity.Officer, verifier string) error
}

// maxWhy bounds the reason of a change, in characters.
const maxWhy = 200

// accountJSON is an account as an administrator reads it.
type accountJSON struct {
	User       string        `json:"user"`
	Role       identity.Role `json:"role"`
	Unit       record.UnitID `json:"unit"`
	Disabled   bool          `json:"disabled"`
	MustChange bool          `json:"must_change"`
	Reason     string        `json:"reason"`
	By         string        `json:"by"`
	At         Time          `json:"at"`
	Index      uint64        `json:"index"`
	// Password is one that was made just now; it is shown this once.
	Password string `json:"password,omitempty"`
}

func accountOf(a identity.Account) accountJSON {
	return accountJSON{User: a.User, Role: a.Role, Unit: a.Unit, Disabled: a.Disabled, MustChange: a.MustChange, Reason: a.Reason, By: a.By, At: Time(a.At), Index: a.Index}
}

// userJSON is what an administrator sends: all of it for a new account.
type userJSON struct {
	User     string         `json:"user"`
	Role     *identity.Role `json:"role"`
	Unit     *record.UnitID `json:"unit"`
	Disabled *bool          `json:"disabled"`
	// Password is made when it is left out.
	Password   string `json:"password"`
	MustChange *bool  `json:"must_change"`
	Reason     string `json:"reason"`
}

// accounts is the backend where accounts are made.
func (s *Server) accounts() (Accounts, error) {
	b, ok := s.Backend.(Accounts)
	if !ok {
		return nil, Problem(404, "not-found", "", "accounts are kept by the city; ask one of its nodes")
	}
	return b, nil
}

func (s *Server) getUsers(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	b, err := s.accounts()
	if err != nil {
		return err
	}
	list, err := b.Accounts(r.Context())
	if err != nil {
		return err
	}
	out := struct {
		Items []accountJSON `json:"items"`
	}{[]accountJSON{}}
	for _, a := range list {
		out.Items = append(out.Items, accountOf(a))
	}
	return s.answer(w, 200, out)
}

func (s *Server) postUser(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	var in userJSON
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if in.Role == nil || in.Unit == nil || in.Disabled != nil {
		return Problem(400, "missing", "role", "a new account needs user, role, unit and reason; a password is made unless one is given")
	}
	c := identity.Change{User: strings.ToLower(in.User), New: true, Role: in.Role, Unit: in.Unit}
	return s.changeUser(w, r, o, 201, c, &in, true)
}

func (s *Server) patchUser(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	var in userJSON
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if in.User != "" || in.Password != "" || in.MustChange != nil {
		return Problem(400, "not-allowed", "password", "only role, unit and disabled change here; a password is reset at /api/v1/users/{user}/password")
	}
	c := identity.Change{User: strings.ToLower(r.PathValue("user")), Role: in.Role, Unit: in.Unit, Disabled: in.Disabled}
	return s.changeUser(w, r, o, 200, c, &in, false)
}

// postUserPassword resets a password, which enables the account again.
func (s *Server) postUserPassword(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	var in userJSON
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if in.User != "" || in.Role != nil || in.Unit != nil || in.Disabled != nil {
		return Problem(400, "not-allowed", "role", "only password, must_change and reason are taken here")
	}
	c := identity.Change{User: strings.ToLower(r.PathValue("user")), Disabled: new(bool)}
	return s.changeUser(w, r, o, 200, c, &in, true)
}

func (s *Server) changeUser(w http.ResponseWriter, r *http.Request, o identity.Officer, status int, c identity.Change, in *userJSON, password bool) error {
	b, err := s.accounts()
	if err != nil {
		return err
	}
	c.Reason = strings.TrimSpace(in.Reason)
	if n := utf8.RuneCountInString(c.Reason); n == 0 || n > maxWhy {
		return Problem(400, "missing", "reason", "say in 1 to %d characters why; it stands in the city's log for ever, so name nobody who reported something", maxWhy)
	}
	made := ""
	if password {
		given := in.Password
		if given == "" {
			made = identity.NewSecret()
			given = made
		}
		v, err := s.newVerifier(r.Context(), c.User, given)
		if err != nil {
			return err
		}
		c.Verifier, c.MustChange = &v, in.MustChange == nil || *in.MustChange
	}
	a, err := b.ChangeAccount(r.Context(), o, c)
	if err != nil {
		return err
	}
	out := accountOf(a)
	out.Password = made
	return s.answer(w, status, out)
}

func (s *Server) newVerifier(ctx context.Context, user, password string) (string, error) {
	if err := identity.CheckPassword(user, password); err != nil {
		return "", Problem(400, "weak-password", "password", "the password is not taken: %v", err)
	}
	v, err := s.Directory.NewVerifier(ctx, password)
	if errors.Is(err, identity.ErrBusy) {
		return "", busy()
	}
	return v, err
}

func busy() error {
	e := Problem(503, "busy", "", "many log in at this moment; try again in a few seconds")
	e.RetryAfter = 2
	return e
}

// postMyPassword lets an officer choose a new password; it ends what was begun
// under the old one.
func (s *Server) postMyPassword(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	var in struct{ Old, New string }
	if err := readJSON(r, &in); err != nil {
		return err
	}
	there, chooses := s.Backend.(PasswordChooser)
	b, err := s.accounts()
	if err != nil && !chooses {
		return err
	}
	if _, err := s.Directory.LogIn(r.Context(), o.User, in.Old, true); err != nil {
		return logInProblem(err)
	}
	if in.New == in.Old {
		return Problem(400, "weak-password", "new", "that is the old password")
	}
	v, err := s.newVerifier(r.Context(), o.User, in.New)
	if err != nil {
		return err
	}
	if chooses {
		err = there.ChoosePassword(r.Context(), o, v)
	} else {
		_, err = b.ChangeAccount(r.Context(), o, identity.Change{User: strings.ToLower(o.User), Verifier: &v, Reason: "chosen by its officer"})
	}
	if err != nil {
		return err
	}
	w.WriteHeader(204)
	return nil
}

func logInProblem(err error) error {
	switch {
	case errors.Is(err, identity.ErrWrong):
		return Problem(403, "wrong-password", "", "user or password is wrong")
	case errors.Is(err, identity.ErrBusy):
		return busy()
	}
	return err
}
