// Products of features as functions on the unit sphere.
#pragma once

#include "stream.h"

// Lebedev's points come in pairs r, -r, between which even degrees agree and odd ones change their sign: each kind is
// evaluated on one half of the points. Components stand with the even degrees first, in factors and in the product.
class SphereProduct {
  public:
    SphereProduct() = default;
    SphereProduct(Stream& stream, int l_in, int l_out, int n_factors, int channels)
        : n_factors(n_factors), channels(channels), n_points(stream.integer()) {
        n_in[0] = even(l_in), n_in[1] = (l_in + 1) * (l_in + 1) - n_in[0];
        n_out[0] = even(l_out), n_out[1] = (l_out + 1) * (l_out + 1) - n_out[0];
        for (int odd : {0, 1}) synthesis[odd] = Small(stream, n_points, n_in[odd]);
        for (int odd : {0, 1}) analysis[odd] = Small(stream, n_out[odd], n_points);
    }

    // Where the components of a degree begin, of l_max = the highest there is.
    static int place(int l, int l_max) {
        int first = l % 2 == 0 ? 0 : even(l_max);
        for (int lower = l % 2; lower < l; lower += 2) first += 2 * lower + 1;
        return first;
    }

    // Values of the factors at all points, which the backward pass reads.
    size_t kept(int n_atoms) const { return size_t(n_atoms) * n_points * 2 * n_factors * channels; }

    // Factors (lm, i, factor, channel) to the product (lm, i, channel).
    void forward(int n_atoms, const real* factors, real* values, real* product, Arena& arena) const {
        IN_PART(SPHERE);
        const size_t row = size_t(n_factors) * channels, ld = row * n_atoms;
        real* parts = arena.take(2 * n_points * size_t(2 * W) * 2);
        for (int i = 0; i < n_atoms; ++i)
            for (int c = 0; c < channels; c += block(c)) {
                const int width = block(c);
                for (int f = 0; f < n_factors; ++f) {
                    const real* of_atom = factors + i * row + f * channels + c;
                    for (int odd : {0, 1})
                        multiply(n_points, width, n_in[odd], synthesis[odd].plain.data(), n_in[odd],
                                 of_atom + odd * n_in[0] * ld, ld, parts + odd * n_points * width, width);
                    real* to = at(values, i, f, c);
                    for (int g = 0; g < n_points * width; g += W) {
                        const vec e = load(parts + g), o = load(parts + n_points * width + g);
                        store(to + g, e + o), store(to + n_points * width + g, e - o);
                    }
                }
                for (int g = 0; g < n_points * width; g += W) {
                    vec there = load(at(values, i, 0, c) + g);
                    vec opposite = load(at(values, i, 0, c) + n_points * width + g);
                    for (int f = 1; f < n_factors; ++f) {
                        there *= load(at(values, i, f, c) + g);
                        opposite *= load(at(values, i, f, c) + n_points * width + g);
                    }
                    store(parts + g, there + opposite), store(parts + n_points * width + g, there - opposite);
                }
                for (int odd : {0, 1})
                    multiply(n_out[odd], width, n_points, analysis[odd].plain.data(), n_points,
                             parts + odd * n_points * width, width,
                             product + (size_t(odd * n_out[0]) * n_atoms + i) * channels + c,
                             size_t(n_atoms) * channels);
            }
    }

    // Slopes with the factors from those with the product.
    void backward(int n_atoms, const real* values, const real* of_product, real* of_factors, Arena& arena) const {
        IN_PART(SPHERE);
        const size_t row = size_t(n_factors) * channels, ld = row * n_atoms;
        real* parts = arena.take(2 * n_points * size_t(2 * W) * 2);
        real* of_values = arena.take(2 * n_points * size_t(2 * W) * 2);
        for (int i = 0; i < n_atoms; ++i)
            for (int c = 0; c < channels; c += block(c)) {
                const int width = block(c), half = n_points * width;
                for (int odd : {0, 1})
                    multiply(n_points, width, n_out[odd], analysis[odd].transposed.data(), n_out[odd],
                             of_product + (size_t(odd * n_out[0]) * n_atoms + i) * channels + c,
                             size_t(n_atoms) * channels, parts + odd * half, width);
                for (int f = 0; f < n_factors; ++f) {
                    for (int g = 0; g < half; g += W) {
                        vec there = load(parts + g) + load(parts + half + g);
                        vec opposite = load(parts + g) - load(parts + half + g);
                        for (int other = 0; other < n_factors; ++other)
                            if (other != f) {
                                there *= load(at(values, i, other, c) + g);
                                opposite *= load(at(values, i, other, c) + half + g);
                            }
                        store(of_values + g, there + opposite), store(of_values + half + g, there - opposite);
                    }
                    for (int odd : {0, 1})
                        multiply(n_in[odd], width, n_points, synthesis[odd].transposed.data(), n_points,
                                 of_values + odd * half, width,
                                 of_factors + odd * n_in[0] * ld + i * row + f * channels + c, ld);
                }
            }
    }

  private:
    // A matrix of any size, for the left side of a product.
    struct Small {
        std::vector<real> plain, transposed;
        Small() = default;
        Small(Stream& stream, int rows, int columns)
            : plain(stream.row(size_t(rows) * columns)), transposed(plain.size()) {
            for (int r = 0; r < rows; ++r)
                for (int c = 0; c < columns; ++c) transposed[size_t(c) * rows + r] = plain[size_t(r) * columns + c];
        }
    };

    static int even(int l_max) {
        int n = 0;
        for (int l = 0; l <= l_max; l += 2) n += 2 * l + 1;
        return n;
    }
    int block(int c) const { return c + 2 * W <= channels ? 2 * W : W; }
    template <class Real>
    Real* at(Real* values, int i, int f, int c) const {
        return values + (size_t(i) * channels + c) * n_factors * n_points * 2 + size_t(f) * n_points * 2 * block(c);
    }

    int n_factors = 0, channels = 0, n_points = 0, n_in[2] = {}, n_out[2] = {};
    Small synthesis[2], analysis[2];
};
