// Sums over neighbours of features times harmonics, weighted by functions of the distance, and their slopes.
#pragma once

#include "geometry.h"

// One coupling (l1, l2) -> l3: where it stands among the couplings of an edge, and in the sums of degree l3.
struct Path {
    int l1, l3, offset, slot;
};

// Weights of couplings and channels as quintic Hermite splines of the distance, for each pair of elements.
class Splines {
  public:
    Splines() = default;
    Splines(Stream& stream, int n_pairs, size_t width)
        : width(width), n_knots(stream.integer()), start(stream.number()), spacing(stream.number()),
          table(stream.row(size_t(n_pairs) * n_knots * 3 * width)) {}

    void at(int pair, real r, real* value, real* slope) const {
        const real x = (r - start) / spacing;
        int knot = x > 0 ? int(x) : 0;
        if (knot > n_knots - 2) knot = n_knots - 2;
        const real t = x - knot, t2 = t * t, t3 = t2 * t, per = 1 / spacing;
        // of value, slope and curvature at the one end, then at the other
        const real f[6] = {1 + t3 * (-10 + t * (15 - 6 * t)),          t + t3 * (-6 + t * (8 - 3 * t)),
                           real(0.5) * t2 + t3 * (real(-1.5) + t * (real(1.5) - real(0.5) * t)),
                           t3 * (10 + t * (-15 + 6 * t)),              t3 * (-4 + t * (7 - 3 * t)),
                           t3 * (real(0.5) + t * (-1 + real(0.5) * t))};
        const real g[6] = {per * t2 * (-30 + t * (60 - 30 * t)), per * (1 + t2 * (-18 + t * (32 - 15 * t))),
                           per * (t + t2 * (real(-4.5) + t * (6 - real(2.5) * t))),
                           per * t2 * (30 + t * (-60 + 30 * t)), per * t2 * (-12 + t * (28 - 15 * t)),
                           per * t2 * (real(1.5) + t * (-4 + real(2.5) * t))};
        const real* from = table.data() + (size_t(pair) * n_knots + knot) * 3 * width;
        for (size_t c = 0; c < width; c += W) {
            vec v{}, s{};
            UNROLLED for (int q = 0; q < 6; ++q) {
                const vec row = load(from + q * width + c);
                v += f[q] * row, s += g[q] * row;
            }
            store(value + c, v), store(slope + c, s);
        }
    }

  private:
    size_t width = 0;
    int n_knots = 0;
    real start = 0, spacing = 1;
    std::vector<real> table;
};

struct Neighbours {
    int n;
    const int* sender;
    const real *T, *R;  // couplings and weights of the first
    size_t row_T, row_R;
};

template <int N1, int N3>
void couple(const Neighbours& j, const real* h, size_t row_h, int channels, real* sums, size_t row_sums) {
    for (int c = 0; c < channels; c += W) {
        vec sum[N3] = {};
        for (int n = 0; n < j.n; ++n) {
            const real* T = j.T + n * j.row_T;
            const real* features = h + size_t(j.sender[n]) * channels + c;
            const vec weight = load(j.R + n * j.row_R + c);
            UNROLLED for (int m1 = 0; m1 < N1; ++m1) {
                const vec weighted = weight * load(features + m1 * row_h);
                UNROLLED for (int m3 = 0; m3 < N3; ++m3) sum[m3] += T[m1 * N3 + m3] * weighted;
            }
        }
        for (int m3 = 0; m3 < N3; ++m3) store(sums + m3 * row_sums + c, sum[m3]);
    }
}

struct Slopes {
    real *h, *products;  // of the features (or null); of each entry of T, lanes still to be summed
    vec along;           // with the distance
};

template <int N1, int N3>
void couple_back(const real* T, const real* R, const real* R_slope, const real* h, size_t row_h, int channels,
                 const real* of_sums, size_t row_sums, Slopes& slopes) {
    for (int c = 0; c < channels; c += W) {
        vec g[N3];
        UNROLLED for (int m3 = 0; m3 < N3; ++m3) g[m3] = load(of_sums + m3 * row_sums + c);
        const vec weight = load(R + c);
        vec of_weight{};
        UNROLLED for (int m1 = 0; m1 < N1; ++m1) {
            const vec feature = load(h + m1 * row_h + c), weighted = weight * feature;
            vec sum{};
            UNROLLED for (int m3 = 0; m3 < N3; ++m3) {
                sum += T[m1 * N3 + m3] * g[m3];
                real* product = slopes.products + (m1 * N3 + m3) * W;
                store(product, c == 0 ? weighted * g[m3] : load(product) + weighted * g[m3]);
            }
            of_weight += sum * feature;
            if (slopes.h) add_to(slopes.h + m1 * row_h + c, weight * sum);
        }
        slopes.along += of_weight * load(R_slope + c);
    }
}

constexpr int MOST_L1 = 3, MOST_L3 = 6;
using Couple = void (*)(const Neighbours&, const real*, size_t, int, real*, size_t);
using CoupleBack = void (*)(const real*, const real*, const real*, const real*, size_t, int, const real*, size_t,
                            Slopes&);

template <int L1, size_t... L3>
constexpr std::array<Couple, sizeof...(L3)> couplers(std::index_sequence<L3...>) {
    return {&couple<2 * L1 + 1, 2 * int(L3) + 1>...};
}

template <int L1, size_t... L3>
constexpr std::array<CoupleBack, sizeof...(L3)> couplers_back(std::index_sequence<L3...>) {
    return {&couple_back<2 * L1 + 1, 2 * int(L3) + 1>...};
}

using Degrees = std::make_index_sequence<MOST_L3 + 1>;
constexpr std::array<Couple, MOST_L3 + 1> COUPLE[MOST_L1 + 1] = {
    couplers<0>(Degrees()), couplers<1>(Degrees()), couplers<2>(Degrees()), couplers<3>(Degrees())};
constexpr std::array<CoupleBack, MOST_L3 + 1> COUPLE_BACK[MOST_L1 + 1] = {
    couplers_back<0>(Degrees()), couplers_back<1>(Degrees()), couplers_back<2>(Degrees()),
    couplers_back<3>(Degrees())};

// Sums of each degree l3: (2 l3 + 1, i, slots, channels).
using DegreeRows = std::vector<real*>;

class EdgeProduct {
  public:
    EdgeProduct() = default;
    EdgeProduct(Stream& stream, int n_pairs, int l_sum, int channels) : channels(channels), slots(l_sum + 1) {
        paths.resize(stream.integer());
        for (Path& p : paths) {
            p.l1 = stream.integer(), p.l3 = stream.integer(), p.offset = stream.integer(), p.slot = stream.integer();
            if (p.l1 > MOST_L1 || p.l3 > MOST_L3) throw std::length_error("degree");
            slots[p.l3] = std::max(slots[p.l3], p.slot + 1);
            n_products += (2 * p.l1 + 1) * (2 * p.l3 + 1);
        }
        radial = Splines(stream, n_pairs, width());
    }

    size_t width() const { return paths.size() * channels; }
    int columns(int l3) const { return slots[l3] * channels; }

    // The weights of every edge and their slopes, both (e, path, channel).
    void weights(const Graph& graph, real* R, real* R_slope) const {
        IN_PART(RADIAL);
        OPERATIONS(24.0 * graph.n_edges * width());
        for (size_t e = 0; e < graph.n_edges; ++e)
            radial.at(graph.pair[e], graph.r[e], R + e * width(), R_slope + e * width());
    }

    void forward(const Graph& graph, size_t row_T, const real* R, const real* h, const DegreeRows& sums) const {
        IN_PART(COUPLING);
        OPERATIONS(2.0 * graph.n_edges * n_products * channels);
        for (int i = 0; i < graph.n_atoms; ++i) {
            const size_t e = graph.first[i];
            Neighbours j{int(graph.first[i + 1] - e), &graph.sender[e], nullptr, nullptr, row_T, width()};
            for (size_t p = 0; p < paths.size(); ++p) {
                const Path& path = paths[p];
                const size_t row = size_t(columns(path.l3)) * graph.n_atoms;
                j.T = graph.couplings + e * row_T + path.offset, j.R = R + e * width() + p * channels;
                COUPLE[path.l1][path.l3](j, h + size_t(path.l1 * path.l1) * graph.n_atoms * channels,
                                         size_t(graph.n_atoms) * channels, channels,
                                         sums[path.l3] + size_t(i) * columns(path.l3) + path.slot * channels, row);
            }
        }
    }

    // Adds to the slopes with couplings and distances, and, if of_h is given, with h.
    void backward(Graph& graph, size_t row_T, const real* R, const real* R_slope, const real* h,
                  const DegreeRows& of_sums, real* of_h, Arena& arena) const {
        IN_PART(COUPLING);
        OPERATIONS(4.0 * graph.n_edges * n_products * channels);
        const size_t n = padded(n_products), row_h = size_t(graph.n_atoms) * channels;
        real *products = arena.zeros(n * W), *summed = arena.take(n);
        for (int i = 0; i < graph.n_atoms; ++i) {
            for (int e = graph.first[i]; e < graph.first[i + 1]; ++e) {
                Slopes slopes{nullptr, products, vec{}};
                const size_t sender = size_t(graph.sender[e]) * channels;
                for (size_t p = 0; p < paths.size(); ++p) {
                    const Path& path = paths[p];
                    const size_t at = size_t(path.l1 * path.l1) * row_h + sender, width_3 = columns(path.l3);
                    if (of_h) slopes.h = of_h + at;
                    COUPLE_BACK[path.l1][path.l3](graph.couplings + e * row_T + path.offset,
                                                  R + e * width() + p * channels, R_slope + e * width() + p * channels,
                                                  h + at, row_h, channels,
                                                  of_sums[path.l3] + i * width_3 + path.slot * channels,
                                                  width_3 * graph.n_atoms, slopes);
                    slopes.products += (2 * path.l1 + 1) * (2 * path.l3 + 1) * W;
                }
                graph.of_distance[e] += sum_of_lanes(slopes.along);
                sum_products(products, n, summed);
                const real* from = summed;
                for (const Path& path : paths) {
                    real* to = graph.of_couplings + e * row_T + path.offset;
                    const int entries = (2 * path.l1 + 1) * (2 * path.l3 + 1);
                    for (int q = 0; q < entries; ++q) to[q] += from[q];
                    from += entries;
                }
            }
        }
    }

  private:
    static void sum_products(const real* products, size_t n, real* summed) {
        for (size_t k = 0; k < n; k += W) {
            vec rows[W];
            UNROLLED for (int lane = 0; lane < W; ++lane) rows[lane] = load(products + (k + lane) * W);
            store(summed + k, sums_of_lanes(rows));
        }
    }

    int channels = 0;
    std::vector<Path> paths;
    std::vector<int> slots;
    size_t n_products = 0;
    Splines radial;
};
