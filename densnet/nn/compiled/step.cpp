// Products of a training step with their first and second derivatives, for one thread. Each is linear in what enters
// it, so that all derivatives are sums of the same products (docs/speed.md).
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#ifndef REAL
#define REAL float
#endif
using real = REAL;

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

template <int N>
struct Lanes {
    typedef real type __attribute__((vector_size(N * sizeof(real))));
};

template <class V>
inline V load(const real* from) {
    V v;
    std::memcpy(&v, from, sizeof(V));
    return v;
}

template <class V>
inline void store(real* to, V v) {
    std::memcpy(to, &v, sizeof(V));
}

template <class V>
inline void add_to(real* to, V v) {
    store(to, load<V>(to) + v);
}

// The couplings (l1, l2) -> l3, and the coefficients of each that are not zero.
struct Couplings {
    int32_t n_paths, n_in, n_edge, n_slots, n_terms;
    const int32_t* paths;  // of each: first m1, 2 l1 + 1, first m3, 2 l3 + 1, slot, place of T, first term, terms
    const int32_t* terms;  // of each: place among all T, m2
    const real* coefficients;
};

struct Edges {
    int32_t n_atoms, n_neighbours, channels;
    const int64_t* sender;
};

enum { FIRST_1, SIZE_1, FIRST_3, SIZE_3, SLOT, PLACE, TERM, TERMS, PATH };

// T_m1m3 = Σ_m2 C_m1m2m3 Y_m2 of every coupling.
inline void contract(const Couplings& c, const real* harmonics, std::vector<real>& T) {
    std::memset(T.data(), 0, T.size() * sizeof(real));
    for (int t = 0; t < c.n_terms; ++t) T[c.terms[2 * t]] += c.coefficients[t] * harmonics[c.terms[2 * t + 1]];
}

inline int size_of_T(const Couplings& c) {
    const int32_t* last = c.paths + (c.n_paths - 1) * PATH;
    return last[PLACE] + last[SIZE_1] * last[SIZE_3];
}

// What an edge reads and writes: features (lm, i, c), weights (e, p, c), sums (lm, i, slot, c).
template <class V>
struct Place {
    size_t atom, step_1, row, step_3;
    Place(const Couplings& c, const Edges& edges, int i, size_t e, int block)
        : atom(edges.sender[e] * edges.channels + block),
          step_1(size_t(edges.n_atoms) * edges.channels),
          row(size_t(i) * c.n_slots * edges.channels + block),
          step_3(size_t(edges.n_atoms) * c.n_slots * edges.channels) {}
    size_t feature(int m1) const { return atom + m1 * step_1; }
    size_t sum(const int32_t* path, int m3, int channels) const {
        return row + (path[FIRST_3] + m3) * step_3 + size_t(path[SLOT]) * channels;
    }
};

template <class V, int N1>
inline void path_forward(const Edges& edges, const Place<V>& at, const int32_t* path, const real* T,
                         const real* h, V w, real* sums) {
    V weighted[N1];
    for (int m = 0; m < N1; ++m) weighted[m] = w * load<V>(h + at.feature(path[FIRST_1] + m));
    for (int m3 = 0; m3 < path[SIZE_3]; ++m3) {
        V sum = T[m3 * N1] * weighted[0];
        for (int m = 1; m < N1; ++m) sum += T[m3 * N1 + m] * weighted[m];
        add_to(sums + at.sum(path, m3, edges.channels), sum);
    }
}

// To features, weights and T (the latter with its channels) from the slopes g with the sums.
template <class V, int N1>
inline void path_backward(const Edges& edges, const Place<V>& at, const int32_t* path, const real* T,
                          const real* h, V w, const real* g, real* of_h, real* of_w, V* of_T) {
    V features[N1], onto[N1] = {};
    for (int m = 0; m < N1; ++m) features[m] = load<V>(h + at.feature(path[FIRST_1] + m));
    for (int m3 = 0; m3 < path[SIZE_3]; ++m3) {
        const V slope = load<V>(g + at.sum(path, m3, edges.channels)), weighted = w * slope;
        for (int m = 0; m < N1; ++m) {
            onto[m] += T[m3 * N1 + m] * slope;
            of_T[m3 * N1 + m] = weighted * features[m];
        }
    }
    V of_weight = {};
    for (int m = 0; m < N1; ++m) {
        of_weight += onto[m] * features[m];
        add_to(of_h + at.feature(path[FIRST_1] + m), w * onto[m]);
    }
    store(of_w, of_weight);
}

// Directions dh, dT, dw of the slopes with h, T, w: what they give with g, h, w and T.
template <class V, int N1>
inline void path_second(const Edges& edges, const Place<V>& at, const int32_t* path, const real* T,
                        const real* dT, const real* h, const real* dh, V w, V dw, const real* g, real* of_g, real* of_h,
                        real* of_w, V* of_T) {
    V features[N1], turned[N1], weighted[N1], changed[N1], onto[N1] = {}, onto_turned[N1] = {};
    for (int m = 0; m < N1; ++m) {
        features[m] = load<V>(h + at.feature(path[FIRST_1] + m));
        turned[m] = load<V>(dh + at.feature(path[FIRST_1] + m));
        weighted[m] = w * features[m];
        changed[m] = w * turned[m] + dw * features[m];
    }
    for (int m3 = 0; m3 < path[SIZE_3]; ++m3) {
        const V slope = load<V>(g + at.sum(path, m3, edges.channels));
        V sum = {};
        for (int m = 0; m < N1; ++m) {
            const real t = T[m3 * N1 + m], dt = dT[m3 * N1 + m];
            sum += t * changed[m] + dt * weighted[m];
            onto[m] += t * slope;
            onto_turned[m] += dt * slope;
            if (of_T) of_T[m3 * N1 + m] = slope * changed[m];
        }
        add_to(of_g + at.sum(path, m3, edges.channels), sum);
    }
    V of_weight = {};
    for (int m = 0; m < N1; ++m) {
        of_weight += onto[m] * turned[m] + onto_turned[m] * features[m];
        add_to(of_h + at.feature(path[FIRST_1] + m), dw * onto[m] + w * onto_turned[m]);
    }
    store(of_w, of_weight);
}

#define OF_DEGREE(call, size, ...)                  \
    switch (size) {                                 \
        case 1: call<V, 1>(__VA_ARGS__); break;     \
        case 3: call<V, 3>(__VA_ARGS__); break;     \
        case 5: call<V, 5>(__VA_ARGS__); break;     \
        default: call<V, 7>(__VA_ARGS__); break;    \
    }

// Slopes with the harmonics from those with T, summed over channels.
template <class V>
inline void uncontract(const Couplings& c, const V* of_T, real* of_harmonics, V* sums) {
    for (int m = 0; m < c.n_edge; ++m) sums[m] = V{};
    for (int t = 0; t < c.n_terms; ++t) sums[c.terms[2 * t + 1]] += c.coefficients[t] * of_T[c.terms[2 * t]];
    for (int m = 0; m < c.n_edge; ++m)
        for (size_t lane = 0; lane < sizeof(V) / sizeof(real); ++lane) of_harmonics[m] += sums[m][lane];
}

// Every edge: begin(e), then, of N channels at a time, of_path(at, path, place of the weights) and end(e).
template <int N, class Begin, class Path, class End>
inline void every_edge(const Couplings& c, const Edges& edges, const Begin& begin, const Path& of_path,
                       const End& end) {
    using V = typename Lanes<N>::type;
    for (int i = 0; i < edges.n_atoms; ++i)
        for (size_t e = size_t(i) * edges.n_neighbours; e < size_t(i + 1) * edges.n_neighbours; ++e) {
            begin(e);
            for (int block = 0; block < edges.channels; block += N) {
                const Place<V> at(c, edges, i, e, block);
                for (int p = 0; p < c.n_paths; ++p)
                    of_path(at, c.paths + p * PATH, (e * c.n_paths + p) * edges.channels + block);
                end(e);
            }
        }
}

template <int N>
void edge_forward(const Couplings& c, const Edges& edges, const real* h, const real* harmonics, const real* weights,
                  real* sums) {
    using V = typename Lanes<N>::type;
    std::vector<real> T(size_of_T(c));
    every_edge<N>(
        c, edges, [&](size_t e) { contract(c, harmonics + e * c.n_edge, T); },
        [&](const Place<V>& at, const int32_t* path, size_t w) {
            OF_DEGREE(path_forward, path[SIZE_1], edges, at, path, T.data() + path[PLACE], h, load<V>(weights + w),
                      sums)
        },
        [](size_t) {});
}

template <int N>
void edge_backward(const Couplings& c, const Edges& edges, const real* h, const real* harmonics, const real* weights,
                   const real* g, real* of_h, real* of_harmonics, real* of_weights) {
    using V = typename Lanes<N>::type;
    std::vector<real> T(size_of_T(c));
    std::vector<V> of_T(T.size()), sums(c.n_edge);
    every_edge<N>(
        c, edges, [&](size_t e) { contract(c, harmonics + e * c.n_edge, T); },
        [&](const Place<V>& at, const int32_t* path, size_t w) {
            OF_DEGREE(path_backward, path[SIZE_1], edges, at, path, T.data() + path[PLACE], h, load<V>(weights + w), g,
                      of_h, of_weights + w, of_T.data() + path[PLACE])
        },
        [&](size_t e) { uncontract(c, of_T.data(), of_harmonics + e * c.n_edge, sums.data()); });
}

template <int N>
void edge_second(const Couplings& c, const Edges& edges, const real* h, const real* harmonics, const real* weights,
                 const real* g, const real* dh, const real* dharmonics, const real* dweights, real* of_h,
                 real* of_harmonics, real* of_weights, real* of_g) {
    using V = typename Lanes<N>::type;
    std::vector<real> T(size_of_T(c)), dT(T.size());
    std::vector<V> of_T(T.size()), sums(c.n_edge);
    every_edge<N>(
        c, edges,
        [&](size_t e) {
            contract(c, harmonics + e * c.n_edge, T);
            contract(c, dharmonics + e * c.n_edge, dT);
        },
        [&](const Place<V>& at, const int32_t* path, size_t w) {
            OF_DEGREE(path_second, path[SIZE_1], edges, at, path, T.data() + path[PLACE], dT.data() + path[PLACE], h,
                      dh, load<V>(weights + w), load<V>(dweights + w), g, of_g, of_h, of_weights + w,
                      of_harmonics ? of_T.data() + path[PLACE] : nullptr)
        },
        [&](size_t e) {
            if (of_harmonics) uncontract(c, of_T.data(), of_harmonics + e * c.n_edge, sums.data());
        });
}

// Points on the sphere, one of two opposite ones: synthesis and analysis (g, lm). Odd degrees differ in sign between them.
struct Sphere {
    int32_t n_points, l_in, l_out, n_atoms, channels;
    const real *synthesis, *analysis;
    int n_in() const { return (l_in + 1) * (l_in + 1); }
    int n_out() const { return (l_out + 1) * (l_out + 1); }
};

// Values at a point and at the opposite one of a function (lm, ...), given the point's row of a matrix.
template <class V>
inline void values(const real* row, int l_max, const real* from, size_t step, V& there, V& opposite) {
    V of_parity[2] = {};
    for (int parity : {0, 1})
        for (int l = parity; l <= l_max; l += 2)
            for (int lm = l * l; lm < (l + 1) * (l + 1); ++lm)
                of_parity[parity] += row[lm] * load<V>(from + lm * step);
    there = of_parity[0] + of_parity[1], opposite = of_parity[0] - of_parity[1];
}

// Adds what a function with these values has of each lm.
template <class V>
inline void project(const real* row, int l_max, V there, V opposite, real* to, size_t step) {
    const V even = there + opposite, odd = there - opposite;
    for (int l = 0; l <= l_max; ++l)
        for (int lm = l * l; lm < (l + 1) * (l + 1); ++lm) add_to(to + lm * step, row[lm] * (l % 2 == 0 ? even : odd));
}

template <class V, int F>
inline V without(const V* v, int f) {
    V product = v[f == 0 ? 1 : 0];
    for (int other = f == 0 ? 2 : 1; other < F; ++other)
        if (other != f) product *= v[other];
    return product;
}

template <class V, int F>
inline V changed(const V* v, const V* dv, int skipped) {
    V sum = {};
    for (int f = 0; f < F; ++f) {
        if (f == skipped) continue;
        V term = dv[f];
        for (int other = 0; other < F; ++other)
            if (other != f && other != skipped) term *= v[other];
        sum += term;
    }
    return sum;
}

template <int N, int F>
void sphere_forward(const Sphere& s, const real* factors, real* product) {
    using V = typename Lanes<N>::type;
    const size_t step_out = size_t(s.n_atoms) * s.channels, step = step_out * F;
    for (int i = 0; i < s.n_atoms; ++i)
        for (int c = 0; c < s.channels; c += N)
            for (int g = 0; g < s.n_points; ++g) {
                V v[2][F];
                const real* synthesis = s.synthesis + size_t(g) * s.n_in();
                const real* of_atom = factors + size_t(i) * F * s.channels + c;
                for (int f = 0; f < F; ++f) values(synthesis, s.l_in, of_atom + f * s.channels, step, v[0][f], v[1][f]);
                V p[2] = {v[0][0], v[1][0]};
                for (int f = 1; f < F; ++f) p[0] *= v[0][f], p[1] *= v[1][f];
                project(s.analysis + size_t(g) * s.n_out(), s.l_out, p[0], p[1],
                        product + size_t(i) * s.channels + c, step_out);
            }
}

// With dfactors, the directions of the slopes with the factors: what they give with factors and slopes.
template <int N, int F>
void sphere_backward(const Sphere& s, const real* factors, const real* of_product, const real* dfactors,
                     real* of_factors, real* of_slopes) {
    using V = typename Lanes<N>::type;
    const size_t step_out = size_t(s.n_atoms) * s.channels, step = step_out * F;
    for (int i = 0; i < s.n_atoms; ++i)
        for (int c = 0; c < s.channels; c += N) {
            const size_t first = size_t(i) * F * s.channels + c, first_out = size_t(i) * s.channels + c;
            for (int g = 0; g < s.n_points; ++g) {
                V v[2][F], dv[2][F], q[2];
                const real* synthesis = s.synthesis + size_t(g) * s.n_in();
                const real* analysis = s.analysis + size_t(g) * s.n_out();
                for (int f = 0; f < F; ++f)
                    values(synthesis, s.l_in, factors + first + f * s.channels, step, v[0][f], v[1][f]);
                values(analysis, s.l_out, of_product + first_out, step_out, q[0], q[1]);
                if (dfactors) {
                    for (int f = 0; f < F; ++f)
                        values(synthesis, s.l_in, dfactors + first + f * s.channels, step, dv[0][f], dv[1][f]);
                    project(analysis, s.l_out, changed<V, F>(v[0], dv[0], -1),
                            changed<V, F>(v[1], dv[1], -1), of_slopes + first_out, step_out);
                }
                for (int f = 0; f < F; ++f) {
                    const V there = dfactors ? changed<V, F>(v[0], dv[0], f) : without<V, F>(v[0], f);
                    const V opposite = dfactors ? changed<V, F>(v[1], dv[1], f) : without<V, F>(v[1], f);
                    project(synthesis, s.l_in, V(q[0] * there), V(q[1] * opposite),
                            of_factors + first + f * s.channels, step);
                }
            }
        }
}

// b(z) = s z of columns z (n, width), s = (1 + |z|² / (n B²))^-1/2, which has the slopes -k z with k = s³ / (n B²).
struct Columns {
    int32_t n, width;
    real strength;  // 1 / (n B²)
};

template <int N>
struct Column {
    using V = typename Lanes<N>::type;
    const Columns& columns;
    int first;
    V s = {}, k;
    V at(const real* values, int row) const { return load<V>(values + size_t(row) * columns.width + first); }
    void put(real* values, int row, V v) const { store(values + size_t(row) * columns.width + first, v); }
    V dot(const real* a, const real* b) const {
        V sum = {};
        for (int row = 0; row < columns.n; ++row) sum += at(a, row) * at(b, row);
        return sum;
    }
    Column(const Columns& columns, const real* z, int first) : columns(columns), first(first) {
        const V size = 1 + columns.strength * dot(z, z);
        for (int lane = 0; lane < N; ++lane) s[lane] = 1 / std::sqrt(size[lane]);
        k = columns.strength * s * s * s;
    }
};

template <int N>
void bound_forward(const Columns& columns, const real* z, real* bounded) {
    for (int first = 0; first < columns.width; first += N) {
        const Column<N> column(columns, z, first);
        for (int row = 0; row < columns.n; ++row) column.put(bounded, row, column.s * column.at(z, row));
    }
}

template <int N>
void bound_backward(const Columns& columns, const real* z, const real* g, real* of_z) {
    for (int first = 0; first < columns.width; first += N) {
        const Column<N> column(columns, z, first);
        const auto along = column.k * column.dot(g, z);
        for (int row = 0; row < columns.n; ++row)
            column.put(of_z, row, column.s * column.at(g, row) - along * column.at(z, row));
    }
}

// With directions d of the slopes with z: of s (d g) - k (g z) (d z), the slopes with z and g.
template <int N>
void bound_second(const Columns& columns, const real* z, const real* g, const real* d, real* of_z, real* of_g) {
    for (int first = 0; first < columns.width; first += N) {
        const Column<N> column(columns, z, first);
        const auto gz = column.dot(g, z), dz = column.dot(d, z), dg = column.dot(d, g), s = column.s, k = column.k;
        const auto along = 3 * columns.strength * s * s * k * gz * dz - k * dg;
        for (int row = 0; row < columns.n; ++row) {
            const auto z_row = column.at(z, row), g_row = column.at(g, row), d_row = column.at(d, row);
            column.put(of_z, row, along * z_row - k * (gz * d_row + dz * g_row));
            column.put(of_g, row, s * d_row - k * dz * z_row);
        }
    }
}

#define BY_LANES(channels, call)             \
    if ((channels) % 16 == 0) call(16);      \
    else if ((channels) % 8 == 0) call(8);   \
    else if ((channels) % 4 == 0) call(4);   \
    else if ((channels) % 2 == 0) call(2);   \
    else call(1);

}  // namespace

EXPORT void densnet_edge_forward(const Couplings* c, const Edges* edges, const real* h, const real* harmonics,
                                 const real* weights, real* sums) {
#define CALL(N) edge_forward<N>(*c, *edges, h, harmonics, weights, sums)
    BY_LANES(edges->channels, CALL)
#undef CALL
}

EXPORT void densnet_edge_backward(const Couplings* c, const Edges* edges, const real* h, const real* harmonics,
                                  const real* weights, const real* g, real* of_h, real* of_harmonics,
                                  real* of_weights) {
#define CALL(N) edge_backward<N>(*c, *edges, h, harmonics, weights, g, of_h, of_harmonics, of_weights)
    BY_LANES(edges->channels, CALL)
#undef CALL
}

EXPORT void densnet_edge_second(const Couplings* c, const Edges* edges, const real* h, const real* harmonics,
                                const real* weights, const real* g, const real* dh, const real* dharmonics,
                                const real* dweights, real* of_h, real* of_harmonics, real* of_weights, real* of_g) {
#define CALL(N)                                                                                                    \
    edge_second<N>(*c, *edges, h, harmonics, weights, g, dh, dharmonics, dweights, of_h, of_harmonics, of_weights, \
                   of_g)
    BY_LANES(edges->channels, CALL)
#undef CALL
}

EXPORT void densnet_sphere_forward(const Sphere* s, int n_factors, const real* factors, real* product) {
#define CALL(N) n_factors == 2 ? sphere_forward<N, 2>(*s, factors, product) : sphere_forward<N, 3>(*s, factors, product)
    BY_LANES(s->channels, CALL)
#undef CALL
}

EXPORT void densnet_sphere_backward(const Sphere* s, int n_factors, const real* factors, const real* of_product,
                                    const real* dfactors, real* of_factors, real* of_slopes) {
#define CALL(N)                                                                                         \
    n_factors == 2 ? sphere_backward<N, 2>(*s, factors, of_product, dfactors, of_factors, of_slopes)     \
                   : sphere_backward<N, 3>(*s, factors, of_product, dfactors, of_factors, of_slopes)
    BY_LANES(s->channels, CALL)
#undef CALL
}

EXPORT void densnet_bound_forward(const Columns* columns, const real* z, real* bounded) {
#define CALL(N) bound_forward<N>(*columns, z, bounded)
    BY_LANES(columns->width, CALL)
#undef CALL
}

EXPORT void densnet_bound_backward(const Columns* columns, const real* z, const real* g, real* of_z) {
#define CALL(N) bound_backward<N>(*columns, z, g, of_z)
    BY_LANES(columns->width, CALL)
#undef CALL
}

EXPORT void densnet_bound_second(const Columns* columns, const real* z, const real* g, const real* d, real* of_z,
                                 real* of_g) {
#define CALL(N) bound_second<N>(*columns, z, g, d, of_z, of_g)
    BY_LANES(columns->width, CALL)
#undef CALL
}
