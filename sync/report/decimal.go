package report

// maxExponent is where an exponent stops being counted: no mantissa within
// MaxPayload is long enough to bring a number beyond it back into range.
const maxExponent = 1 << 20

// huge is what scaled gives for a magnitude beyond 18 digits.
const huge = int64(1e18)

// scaled gives a JSON number × 10^scale from its decimal digits, without
// floating point: rounded to a whole number, halves away from zero. exact says
// that nothing was rounded off. What is beyond ±10^18 is given as ±10^18, not
// exact. num must be a number by RFC 8259, section 6.
func scaled(num string, scale int) (v int64, exact bool) {
	negative := num[0] == '-'
	if negative {
		num = num[1:]
	}
	end, point := len(num), -1
	exponent := 0
	for i := 0; i < len(num); i++ {
		if num[i] == '.' {
			point = i
		} else if num[i]|0x20 == 'e' {
			end, exponent = i, exponentOf(num[i+1:])
			break
		}
	}
	whole := end // digits before the point
	if point >= 0 {
		whole = point
	}
	left := whole + exponent + scale // digits before the point after scaling
	exact = true
	for i := 0; i < end; i++ {
		if i == point {
			continue
		}
		d := int64(num[i] - '0')
		switch {
		case left > 0:
			if v >= huge/10 {
				return signed(huge, negative), false
			}
			v = v*10 + d
		case left == 0:
			if d >= 5 {
				v++
			}
			exact = exact && d == 0
		default:
			exact = exact && d == 0
		}
		left--
	}
	for ; left > 0 && v != 0; left-- {
		if v >= huge/10 {
			return signed(huge, negative), false
		}
		v *= 10
	}
	return signed(v, negative), exact
}

func signed(v int64, negative bool) int64 {
	if negative {
		return -v
	}
	return v
}

func exponentOf(s string) int {
	sign := 1
	if s[0] == '+' || s[0] == '-' {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	n := 0
	for i := 0; i < len(s) && n < maxExponent; i++ {
		n = n*10 + int(s[i]-'0')
	}
	return sign * n
}
