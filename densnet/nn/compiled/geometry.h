// Atoms, the edges between them, and what all networks read of an edge: harmonics and their couplings.
#pragma once

#include <cmath>

#include "stream.h"

// z[out] += value x[a] y[b]
struct Term {
    int out, a, b;
    real value;
};

inline std::vector<Term> terms(Stream& stream) {
    std::vector<Term> list(stream.integer());
    for (Term& term : list) {
        term.out = stream.integer(), term.a = stream.integer(), term.b = stream.integer();
        term.value = stream.number();
    }
    return list;
}

// Atoms of some molecules, those of one element after the other's, and their edges, sorted by the receiving atom.
struct Graph {
    int n_atoms = 0, n_molecules = 0;
    std::vector<int> element, molecule, place;  // of each atom; place: where it stands outside
    std::vector<int> first_of_element;          // (z + 1)
    std::vector<int> first, sender, pair;       // edges of an atom, (i + 1); of each edge
    std::vector<real> direction, r;             // (3, e padded), (e)
    size_t n_edges = 0, n_padded = 0;
    real *harmonics = nullptr, *couplings = nullptr;       // (lm, e padded), (e, couplings padded)
    real *of_couplings = nullptr, *of_distance = nullptr;  // slopes of the energy: (e, couplings padded), (e)
};

// Harmonics up to a degree and the couplings T = sum_m2 C[m1, m2, m3] Y[m2] of all networks; W edges at a time.
class Harmonics {
  public:
    explicit Harmonics(Stream& stream)
        : degree(stream.integer()), recursion(terms(stream)), slopes(terms(stream)), n_couplings(stream.integer()),
          coupling_terms(terms(stream)) {}

    size_t row() const { return padded(n_couplings); }

    void forward(Graph& graph, Arena& arena) const {
        OPERATIONS(2.0 * graph.n_padded * (recursion.size() * 1.5 + coupling_terms.size()));
        const size_t E = graph.n_padded, n = row();
        real* Y = graph.harmonics = arena.zeros(size_t((degree + 1) * (degree + 1)) * E);
        graph.couplings = arena.take(E * n);
        graph.of_couplings = arena.zeros(E * n);
        graph.of_distance = arena.zeros(E);
        const real root3 = std::sqrt(real(3));
        const int axes[3] = {1, 2, 0};  // orders -1, 0, 1 of l = 1 are y, z, x
        std::vector<real> lanes(n * W);
        for (size_t e = 0; e < E; e += W) {
            store(Y + e, vec{} + real(1));
            if (degree > 0)
                for (int m = 0; m < 3; ++m) store(Y + (1 + m) * E + e, root3 * load(&graph.direction[axes[m] * E + e]));
            for (const Term& t : recursion)
                add_to(Y + t.out * E + e, t.value * load(Y + t.a * E + e) * load(Y + t.b * E + e));
            std::fill(lanes.begin(), lanes.end(), real(0));
            for (const Term& t : coupling_terms) add_to(&lanes[t.out * W], t.value * load(Y + t.b * E + e));
            for (size_t k = 0; k < n; k += W) {
                vec square[W];
                for (int lane = 0; lane < W; ++lane) square[lane] = load(&lanes[(k + lane) * W]);
                transpose(square);
                for (int lane = 0; lane < W; ++lane) store(graph.couplings + (e + lane) * n + k, square[lane]);
            }
        }
    }

    // Slopes of the energy with the directions of W edges from e on, those along the directions being arbitrary.
    void backward(const Graph& graph, size_t e, std::vector<real>& lanes, vec (&turning)[3]) const {
        OPERATIONS(2.0 * W * (slopes.size() * 1.5 + coupling_terms.size()));
        const size_t E = graph.n_padded, n = row();
        const int n_harmonics = (degree + 1) * (degree + 1);
        lanes.assign((n + n_harmonics) * W, real(0));
        real* of_harmonics = &lanes[n * W];
        for (size_t k = 0; k < n; k += W) {
            vec square[W];
            for (int lane = 0; lane < W; ++lane) square[lane] = load(graph.of_couplings + (e + lane) * n + k);
            transpose(square);
            for (int lane = 0; lane < W; ++lane) store(&lanes[(k + lane) * W], square[lane]);
        }
        for (const Term& t : coupling_terms) add_to(of_harmonics + t.b * W, t.value * load(&lanes[t.out * W]));
        for (vec& component : turning) component = vec{};
        for (const Term& t : slopes)
            turning[t.out] += t.value * load(graph.harmonics + t.a * E + e) * load(of_harmonics + t.b * W);
    }

  private:
    int degree;
    std::vector<Term> recursion, slopes;
    int n_couplings;
    std::vector<Term> coupling_terms;
};

// The cutoff function of u = r / cutoff below 1, and its slope with u: densnet.nn.radial.smooth_cutoff.
inline real smooth_cutoff(real u) {
    const real u5 = u * u * u * u * u;
    return 1 + u5 * u * (u * (48 - 21 * u) - 28);
}
inline real cutoff_slope(real u) { return -168 * (u * u * u * u * u) * (1 - u) * (1 - u); }

// Distances below the shortest that was learned from are held; a wall between nuclei stands there.
class Contacts {
  public:
    explicit Contacts(Stream& stream, int n_elements)
        : n_elements(n_elements), held_over(stream.number()), trusted(stream.row(n_elements * n_elements)),
          has_wall(stream.integer()) {
        if (has_wall) {
            charges = stream.row(n_elements * n_elements);
            decays = stream.row(n_elements * n_elements * 4);
            weights = stream.row(4);
        }
    }

    // The distance that radial functions see, and its derivative.
    real held(real r, int pair, real& slope) const {
        slope = 1;
        if (r >= trusted[pair]) return r;
        const real below = (trusted[pair] - r) / held_over, softened = std::tanh(below);
        slope = 1 - softened * softened;
        return r + held_over * (below - softened);
    }

    // Half of the wall's energy at r, and its slope.
    real wall(real r, int pair, real& slope) const {
        slope = 0;
        if (!has_wall || r >= trusted[pair]) return 0;
        real sum = 0, decaying = 0;
        for (int n = 0; n < 4; ++n) {
            const real decay = decays[pair * 4 + n], term = weights[n] * std::exp(-decay * r);
            sum += term, decaying += decay * term;
        }
        const real whole = charges[pair] / r * sum, whole_slope = -(whole + charges[pair] * decaying) / r;
        const real f = smooth_cutoff(r / trusted[pair]), f_slope = cutoff_slope(r / trusted[pair]) / trusted[pair];
        slope = real(0.5) * (whole_slope * f + whole * f_slope);
        return real(0.5) * whole * f;
    }

  private:
    int n_elements;
    real held_over;
    std::vector<real> trusted;
    int has_wall;
    std::vector<real> charges, decays, weights;
};
