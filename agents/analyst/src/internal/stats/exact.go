package stats

import (
	"math"
	"math/big"
	"math/bits"
)

// sum adds numbers without rounding: a fixed-point number so long that every product of two float64 has a place in
// it (Kulisch, Computer Arithmetic and Validity, 2008, chapter 8: the long accumulator). Its lowest bit stands for
// 2^lowest. It only grows; who needs both signs keeps two.
type sum struct{ limbs [67]uint64 }

// lowest is the exponent of the smallest product, of two subnormal numbers: 2·-1074. The largest is below 2^2048,
// which is bit 4196; the rest is room for 2^90 of them.
const lowest = -2148

// add adds (high, low)·2^exponent.
func (s *sum) add(high, low uint64, exponent int) {
	at := exponent - lowest
	limb, shift := at/64, uint(at%64)
	var carry uint64
	s.limbs[limb], carry = bits.Add64(s.limbs[limb], low<<shift, 0)
	s.limbs[limb+1], carry = bits.Add64(s.limbs[limb+1], high<<shift|low>>(64-shift), carry)
	if high != 0 || carry != 0 {
		s.limbs[limb+2], carry = bits.Add64(s.limbs[limb+2], high>>(64-shift), carry)
		for i := limb + 3; carry != 0; i++ {
			s.limbs[i], carry = bits.Add64(s.limbs[i], 0, carry)
		}
	}
}

// whole is the sum in units of 2^lowest.
func (s *sum) whole() *big.Int {
	raw := make([]byte, 0, 8*len(s.limbs))
	for i := len(s.limbs) - 1; i >= 0; i-- {
		for shift := 56; shift >= 0; shift -= 8 {
			raw = append(raw, byte(s.limbs[i]>>shift))
		}
	}
	return new(big.Int).SetBytes(raw)
}

// split gives the digits and the exponent of a finite number: |x| = digits·2^exponent.
func split(x float64) (digits uint64, exponent int) {
	raw := math.Float64bits(x)
	digits = raw & (1<<52 - 1)
	exponent = int(raw>>52&0x7ff) - 1075
	if exponent == -1075 {
		return digits, -1074
	}
	return digits | 1<<52, exponent
}

// float is the float64 nearest to numerator·2^lowest / divisor.
func float(numerator *big.Int, divisor int64) float64 {
	value := new(big.Rat).SetFrac(numerator, big.NewInt(divisor))
	unit := new(big.Int).Lsh(big.NewInt(1), -lowest)
	nearest, _ := value.Quo(value, new(big.Rat).SetInt(unit)).Float64()
	return nearest
}
