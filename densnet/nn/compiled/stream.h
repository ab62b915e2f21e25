// What a network is made of, as two rows of numbers that are read from the front.
#pragma once

#include <stdexcept>

#include "vectors.h"

class Stream {
  public:
    Stream(const int* integers, size_t n_integers, const real* reals, size_t n_reals)
        : integers(integers), end_integers(integers + n_integers), reals(reals), end_reals(reals + n_reals) {}

    int integer() {
        if (integers == end_integers) throw std::length_error("too few integers");
        return *integers++;
    }
    const real* several(size_t n) {
        if (size_t(end_reals - reals) < n) throw std::length_error("too few reals");
        const real* first = reals;
        reals += n;
        return first;
    }
    std::vector<real> row(size_t n) {
        const real* first = several(n);
        return std::vector<real>(first, first + n);
    }
    real number() { return *several(1); }
    Matrix matrix(int rows, int columns) { return Matrix(several(size_t(rows) * columns), rows, columns); }
    bool at_end() const { return integers == end_integers && reals == end_reals; }

  private:
    const int *integers, *end_integers;
    const real *reals, *end_reals;
};
