// One round of message passing, and its backward pass by hand: densnet.nn.interaction.Interaction.
#pragma once

#include "edge_product.h"
#include "sphere_product.h"

inline int components(int l_max) { return (l_max + 1) * (l_max + 1); }

inline std::vector<Matrix> of_degrees(Stream& stream, int l_max, int rows, int columns) {
    std::vector<Matrix> maps;
    for (int l = 0; l <= l_max; ++l) maps.push_back(stream.matrix(rows, columns));
    return maps;
}

// Maps of each element's own, for each degree; features stand (lm, i, channel), the atoms sorted by element.
class ElementLinear {
  public:
    ElementLinear() = default;
    ElementLinear(Stream& stream, int n_elements, int l_max, int in, int out) : l_max(l_max) {
        for (int z = 0; z < n_elements; ++z) maps.push_back(of_degrees(stream, l_max, in, out));
    }

    void forward(const Graph& graph, const real* h, size_t row_h, real* to, size_t row_to, bool add) const {
        each(graph, [&](const Matrix& map, size_t row, int n) {
            map.apply(n, h + row * row_h, row_h, to + row * row_to, row_to, add);
        });
    }
    void backward(const Graph& graph, const real* of_result, size_t row, real* of_h, size_t row_h, bool add) const {
        each(graph, [&](const Matrix& map, size_t first, int n) {
            map.apply_transposed(n, of_result + first * row, row, of_h + first * row_h, row_h, add);
        });
    }

  private:
    template <class Apply>
    void each(const Graph& graph, Apply apply) const {
        for (int l = 0; l <= l_max; ++l)
            for (size_t z = 0; z < maps.size(); ++z)
                for (int lm = l * l; lm < (l + 1) * (l + 1); ++lm)
                    apply(maps[z][l], size_t(lm) * graph.n_atoms + graph.first_of_element[z],
                          graph.first_of_element[z + 1] - graph.first_of_element[z]);
    }

    int l_max = 0;
    std::vector<std::vector<Matrix>> maps;
};

class Interaction {
  public:
    // What the backward pass reads of the forward one.
    struct Kept {
        real *inward, *R, *R_slope, *factors, *shrunk, *values, *update, *gates;
    };

    Interaction(Stream& stream, int n_elements)
        : l_in(stream.integer()), l_sum(stream.integer()), l_out(stream.integer()), in(stream.integer()),
          channels(stream.integer()), edge_channels(stream.integer()), n_factors(stream.integer()),
          bound(stream.number()), edge(stream, n_elements * n_elements, l_sum, edge_channels),
          inward(of_degrees(stream, l_in, in, edge_channels)) {
        for (int l = 0; l <= l_sum; ++l) mixing.push_back(stream.matrix(edge.columns(l), channels));
        outward = of_degrees(stream, l_out, channels, channels);
        if (n_factors > 1) {
            factors = of_degrees(stream, l_sum, channels, n_factors * channels);
            sphere = SphereProduct(stream, l_sum, l_out, n_factors, channels);
            product_outward = of_degrees(stream, l_out, channels, channels);
        }
        skip = ElementLinear(stream, n_elements, std::min(l_in, l_out), in, channels);
        gate = stream.matrix(channels, (l_out + 1) * channels);
        gate_bias = stream.row((l_out + 1) * channels);
    }

    int degree() const { return l_out; }
    int inward_degree() const { return l_in; }

    // Features (lm, i, in) to (lm, i, channels), rows row_h and row_to numbers apart.
    Kept forward(const Graph& graph, size_t row_T, const real* h, size_t row_h, real* to, size_t row_to,
                 Arena& arena) const {
        const int n = graph.n_atoms;
        const size_t row_F = size_t(n_factors) * channels;
        Kept kept{};
        IN_PART(MIXING);
        kept.inward = arena.take(size_t(components(l_in)) * n * edge_channels);
        kept.R = arena.take(graph.n_edges * edge.width());
        kept.R_slope = arena.take(graph.n_edges * edge.width());
        kept.update = arena.take(size_t(components(l_out)) * n * channels);
        for (int l = 0; l <= l_in; ++l)
            inward[l].apply((2 * l + 1) * n, h + size_t(l * l) * n * row_h, row_h,
                            kept.inward + size_t(l * l) * n * edge_channels, edge_channels);
        edge.weights(graph, kept.R, kept.R_slope);
        const DegreeRows sums = rows_of_sums(n, arena);
        edge.forward(graph, row_T, kept.R, kept.inward, sums);
        real* mixed = arena.take(size_t(components(l_sum)) * n * channels);
        if (n_factors > 1) kept.factors = arena.take(size_t(components(l_sum)) * n * row_F);
        for (int l = 0; l <= l_sum; ++l) {
            const int rows = (2 * l + 1) * n;
            real* a = mixed + size_t(l * l) * n * channels;
            mixing[l].apply(rows, sums[l], edge.columns(l), a, channels);
            if (l <= l_out) outward[l].apply(rows, a, channels, kept.update + size_t(l * l) * n * channels, channels);
            if (n_factors > 1)
                factors[l].apply(rows, a, channels, kept.factors + SphereProduct::place(l, l_sum) * n * row_F, row_F);
        }
        if (n_factors > 1) {
            if (bound > 0) bind(n * row_F, kept, arena);
            kept.values = arena.take(sphere.kept(n));
            real* product = arena.take(size_t(components(l_out)) * n * channels);
            sphere.forward(n, kept.factors, kept.values, product, arena);
            for (int l = 0; l <= l_out; ++l)
                product_outward[l].apply((2 * l + 1) * n,
                                         product + size_t(SphereProduct::place(l, l_out)) * n * channels, channels,
                                         kept.update + size_t(l * l) * n * channels, channels, true);
        }
        skip.forward(graph, h, row_h, kept.update, channels, true);
        open_gates(n, kept, to, row_to, arena);
        return kept;
    }

    // Adds to the slopes with edges, and, if of_h is given, with h; of_result (lm, i, channels) is overwritten.
    void backward(Graph& graph, size_t row_T, const Kept& kept, real* of_result, real* of_h, size_t row_h,
                  Arena& arena) const {
        const int n = graph.n_atoms;
        const size_t row_F = size_t(n_factors) * channels;
        IN_PART(MIXING);
        close_gates(n, kept, of_result, arena);
        real* of_factors = nullptr;
        if (n_factors > 1) {
            real* of_product = arena.take(size_t(components(l_out)) * n * channels);
            for (int l = 0; l <= l_out; ++l)
                product_outward[l].apply_transposed(
                    (2 * l + 1) * n, of_result + size_t(l * l) * n * channels, channels,
                    of_product + size_t(SphereProduct::place(l, l_out)) * n * channels, channels);
            of_factors = arena.take(size_t(components(l_sum)) * n * row_F);
            sphere.backward(n, kept.values, of_product, of_factors, arena);
            if (bound > 0) unbind(n * row_F, kept, of_factors);
        }
        const DegreeRows of_sums = rows_of_sums(n, arena);
        real* of_mixed = arena.take(size_t(2 * l_sum + 1) * n * channels);
        for (int l = 0; l <= l_sum; ++l) {
            const int rows = (2 * l + 1) * n;
            if (l <= l_out)
                outward[l].apply_transposed(rows, of_result + size_t(l * l) * n * channels, channels, of_mixed,
                                            channels);
            if (n_factors > 1)
                factors[l].apply_transposed(rows, of_factors + SphereProduct::place(l, l_sum) * n * row_F, row_F,
                                            of_mixed, channels, l <= l_out);
            mixing[l].apply_transposed(rows, of_mixed, channels, of_sums[l], edge.columns(l));
        }
        real* of_inward = of_h ? arena.zeros(size_t(components(l_in)) * n * edge_channels) : nullptr;
        edge.backward(graph, row_T, kept.R, kept.R_slope, kept.inward, of_sums, of_inward, arena);
        if (!of_h) return;
        skip.backward(graph, of_result, channels, of_h, row_h, true);
        for (int l = 0; l <= l_in; ++l)
            inward[l].apply_transposed((2 * l + 1) * n, of_inward + size_t(l * l) * n * edge_channels, edge_channels,
                                       of_h + size_t(l * l) * n * row_h, row_h, true);
    }

  private:
    DegreeRows rows_of_sums(int n, Arena& arena) const {
        DegreeRows sums;
        for (int l = 0; l <= l_sum; ++l) sums.push_back(arena.take(size_t(2 * l + 1) * n * edge.columns(l)));
        return sums;
    }

    // z / sqrt(1 + |z|^2 / B^2), |z|^2 the mean over components; shrunk keeps the factor.
    void bind(size_t row, Kept& kept, Arena& arena) const {
        const int n = components(l_sum);
        kept.shrunk = arena.take(row);
        for (size_t c = 0; c < row; ++c) {
            real size = 0;
            for (int lm = 0; lm < n; ++lm) size += kept.factors[lm * row + c] * kept.factors[lm * row + c];
            kept.shrunk[c] = 1 / std::sqrt(1 + size / (n * bound * bound));
            for (int lm = 0; lm < n; ++lm) kept.factors[lm * row + c] *= kept.shrunk[c];
        }
    }

    void unbind(size_t row, const Kept& kept, real* slopes) const {
        const int n = components(l_sum);
        for (size_t c = 0; c < row; ++c) {
            real overlap = 0;
            for (int lm = 0; lm < n; ++lm) overlap += slopes[lm * row + c] * kept.factors[lm * row + c];
            overlap /= n * bound * bound;
            for (int lm = 0; lm < n; ++lm)
                slopes[lm * row + c] = kept.shrunk[c] * (slopes[lm * row + c] - overlap * kept.factors[lm * row + c]);
        }
    }

    void open_gates(int n, Kept& kept, real* to, size_t row_to, Arena& arena) const {
        IN_PART(GATE);
        const size_t row = size_t(l_out + 1) * channels;
        kept.gates = arena.take(n * row);
        for (int i = 0; i < n; ++i) std::memcpy(kept.gates + i * row, gate_bias.data(), row * sizeof(real));
        gate.apply(n, kept.update, channels, kept.gates, row, true);
        for (size_t c = 0; c < n * row; ++c) kept.gates[c] = 1 / (1 + std::exp(-kept.gates[c]));
        for (int l = 0; l <= l_out; ++l)
            for (int lm = l * l; lm < components(l); ++lm)
                for (int i = 0; i < n; ++i) {
                    const real* h = kept.update + (size_t(lm) * n + i) * channels;
                    const real* g = kept.gates + i * row + l * channels;
                    real* result = to + (size_t(lm) * n + i) * row_to;
                    for (int c = 0; c < channels; c += W) store(result + c, real(2) * load(h + c) * load(g + c));
                }
    }

    // Slopes with the gated features become those with the features.
    void close_gates(int n, const Kept& kept, real* slopes, Arena& arena) const {
        IN_PART(GATE);
        const size_t row = size_t(l_out + 1) * channels;
        real* of_gates = arena.zeros(n * row);
        for (int l = 0; l <= l_out; ++l)
            for (int lm = l * l; lm < components(l); ++lm)
                for (int i = 0; i < n; ++i) {
                    const real* h = kept.update + (size_t(lm) * n + i) * channels;
                    const real* g = kept.gates + i * row + l * channels;
                    real *slope = slopes + (size_t(lm) * n + i) * channels, *sum = of_gates + i * row + l * channels;
                    for (int c = 0; c < channels; c += W) {
                        const vec twice = real(2) * load(slope + c);
                        add_to(sum + c, twice * load(h + c));
                        store(slope + c, twice * load(g + c));
                    }
                }
        for (size_t c = 0; c < n * row; ++c) of_gates[c] *= kept.gates[c] * (1 - kept.gates[c]);
        gate.apply_transposed(n, of_gates, row, slopes, channels, true);
    }

    int l_in, l_sum, l_out, in, channels, edge_channels, n_factors;
    real bound;
    EdgeProduct edge;
    std::vector<Matrix> inward, mixing, outward, factors, product_outward;
    SphereProduct sphere;
    ElementLinear skip;
    Matrix gate;
    std::vector<real> gate_bias;
};
