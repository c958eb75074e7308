package broker

import "testing"

func TestBroker_PubackOnlyAfterAnswer(t *testing.T) {
	h := &desk{}
	b := startBroker(t, testConfig(), h)
	c := mustLogin(t, b, as("app-1"))
	c.report(1, 7, "app-1", "a")
	c.report(1, 8, "app-1", "b")
	c.report(2, 9, "app-1", "c")
	all := h.wait(t, 3)
	c.quiet()
	all[2].answer(Accepted())
	all[1].answer(Accepted())
	c.quiet()
	all[0].answer(Accepted())
	c.expect(4, 7)
	c.expect(4, 8)
	c.expect(5, 9)
}
