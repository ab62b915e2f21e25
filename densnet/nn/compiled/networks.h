// The map to the density and the energy that reads it: densnet.models.density_model and densnet.models.energy_model.
#pragma once

#include "interaction.h"

inline real sigmoid(real x) { return 1 / (1 + std::exp(-x)); }

// y = W' silu(W x + b) + b', the rows of both maps' results padded
class Perceptron {
  public:
    Perceptron(Stream& stream, int in, int hidden, int out)
        : first(stream.matrix(in, hidden)), first_bias(stream.row(hidden)), second(stream.matrix(hidden, out)),
          second_bias(stream.row(out)) {}

    // Adds the result to ``to``; returns what the backward pass reads.
    real* forward(int n, const real* x, size_t row_x, real* to, size_t row_to, Arena& arena) const {
        const int width = first.columns;
        real *hidden = arena.take(size_t(n) * width), *active = arena.take(size_t(n) * width);
        for (int i = 0; i < n; ++i) std::memcpy(hidden + size_t(i) * width, first_bias.data(), width * sizeof(real));
        first.apply(n, x, row_x, hidden, width, true);
        for (int c = 0; c < n * width; ++c) active[c] = hidden[c] * sigmoid(hidden[c]);
        for (int i = 0; i < n; ++i)
            for (int c = 0; c < second.columns; ++c) to[i * row_to + c] += second_bias[c];
        second.apply(n, active, width, to, row_to, true);
        return hidden;
    }
    void backward(int n, const real* hidden, const real* of_y, size_t row_y, real* of_x, size_t row_x,
                  Arena& arena) const {
        const int width = first.columns;
        real* slopes = arena.take(size_t(n) * width);
        second.apply_transposed(n, of_y, row_y, slopes, width);
        for (int c = 0; c < n * width; ++c) {
            const real s = sigmoid(hidden[c]);
            slopes[c] *= s * (1 + hidden[c] * (1 - s));
        }
        first.apply_transposed(n, slopes, width, of_x, row_x, true);
    }

  private:
    Matrix first;
    std::vector<real> first_bias;
    Matrix second;
    std::vector<real> second_bias;
};

inline void fill_elements(const Graph& graph, const std::vector<real>& table, int width, real* to, size_t row) {
    for (int i = 0; i < graph.n_atoms; ++i)
        for (int c = 0; c < width; ++c) to[i * row + c] += table[size_t(graph.element[i]) * width + c];
}

class DensityNetwork {
  public:
    // Of each atom: q·q, that around it, and the excess of electrons over the latter; the cutoff function of each edge.
    struct Balance {
        std::vector<real> norm, norm_around, share, envelope;
    };
    struct Kept {
        std::vector<Interaction::Kept> rounds;
        real* hidden;
        Balance balance;
    };

    DensityNetwork(Stream& stream, int n_elements)
        : l_read(stream.integer()), l_features(stream.integer()), n_radial(stream.integer()),
          channels(stream.integer()), n_rounds(stream.integer()), embedding(stream.row(n_elements * channels)),
          interactions(read_rounds(stream, n_elements)),
          scalars(stream, channels * n_rounds, channels * n_rounds, channels * n_rounds),
          head(stream, n_elements, l_read, channels * n_rounds, n_radial),
          scale(stream.row(size_t(n_elements) * components(l_read) * n_radial)),
          inverse(stream.row(scale.size())), shift(stream.row(n_elements * n_radial)),
          charge(stream.row(n_elements * n_radial)), dipole(stream.row(n_elements * n_radial)),
          electrons(stream.row(n_elements)), surplus(stream.number()), bohr(stream.number()),
          local(stream.integer()), cutoff(stream.number()) {}

    int row_u() const { return n_radial; }
    int n_components() const { return components(l_read); }

    // u (lm, i, n) up to degree l_read, and the electrons' dipole of each molecule, (molecule, 3).
    Kept forward(const Graph& graph, size_t row_T, const real* positions, real* u, real* dipoles, Arena& arena) const {
        const int n = graph.n_atoms, width = channels * n_rounds;
        IN_PART(HEADS);
        Kept kept;
        real* h = arena.zeros(size_t(n) * channels);
        fill_elements(graph, embedding, channels, h, channels);
        real* features = arena.zeros(size_t(components(l_features)) * n * width);
        for (int round = 0; round < n_rounds; ++round) {
            const real* from = round == 0 ? h : features + (round - 1) * channels;
            kept.rounds.push_back(interactions[round].forward(graph, row_T, from, round == 0 ? channels : width,
                                                              features + round * channels, width, arena));
        }
        real* first = arena.take(size_t(n) * width);
        std::memcpy(first, features, size_t(n) * width * sizeof(real));
        kept.hidden = scalars.forward(n, first, width, features, width, arena);
        head.forward(graph, features, width, u, n_radial, false);
        scale_by(graph, scale, u, components(l_read));
        add_shift(graph, 1, u);
        if (local)
            kept.balance = balance(graph, u);
        else
            take_excess(graph, u);
        moments(graph, positions, u, dipoles);
        add_shift(graph, -1, u);
        // u so far is x - shift; the rest of the weight turns it into what the energy reads
        scale_by(graph, inverse, u, components(l_read));
        return kept;
    }

    // From slopes with u, which are overwritten, to those with the edges.
    void backward(Graph& graph, size_t row_T, const Kept& kept, real* of_u, Arena& arena) const {
        const int n = graph.n_atoms, width = channels * n_rounds;
        IN_PART(HEADS);
        scale_by(graph, inverse, of_u, components(l_read));
        if (local)
            balance_back(graph, kept.balance, of_u);
        else
            project(graph, of_u, nullptr);
        scale_by(graph, scale, of_u, components(l_read));
        real* of_features = arena.zeros(size_t(components(l_features)) * n * width);
        head.backward(graph, of_u, n_radial, of_features, width, false);
        real* of_first = arena.take(size_t(n) * width);
        std::memcpy(of_first, of_features, size_t(n) * width * sizeof(real));
        scalars.backward(n, kept.hidden, of_first, width, of_features, width, arena);
        for (int round = n_rounds - 1; round >= 0; --round) {
            const int rows = components(interactions[round].degree()) * n;
            real* of_result = arena.take(size_t(rows) * channels);
            for (int row = 0; row < rows; ++row)
                std::memcpy(of_result + size_t(row) * channels, of_features + size_t(row) * width + round * channels,
                            channels * sizeof(real));
            real* of_h = round == 0 ? nullptr : of_features + (round - 1) * channels;
            interactions[round].backward(graph, row_T, kept.rounds[round], of_result, of_h, width, arena);
        }
    }

  private:
    std::vector<Interaction> read_rounds(Stream& stream, int n_elements) const {
        std::vector<Interaction> rounds;
        for (int round = 0; round < n_rounds; ++round) rounds.emplace_back(stream, n_elements);
        return rounds;
    }
    void scale_by(const Graph& graph, const std::vector<real>& table, real* x, int n_components) const {
        for (int lm = 0; lm < n_components; ++lm)
            for (int i = 0; i < graph.n_atoms; ++i)
                for (int k = 0; k < n_radial; ++k)
                    x[(size_t(lm) * graph.n_atoms + i) * n_radial + k] *=
                        table[(size_t(graph.element[i]) * n_components + lm) * n_radial + k];
    }
    void add_shift(const Graph& graph, real sign, real* x) const {
        for (int i = 0; i < graph.n_atoms; ++i)
            for (int k = 0; k < n_radial; ++k)
                x[size_t(i) * n_radial + k] += sign * shift[graph.element[i] * n_radial + k];
    }
    // s - q (q·s - wanted) / (q·q), once a molecule; without ``wanted`` the transpose, which is the same map
    void project(const Graph& graph, real* s, const std::vector<real>* wanted) const {
        std::vector<real> excess(graph.n_molecules), norm(graph.n_molecules);
        for (int i = 0; i < graph.n_atoms; ++i)
            for (int k = 0; k < n_radial; ++k) {
                const real q = charge[graph.element[i] * n_radial + k];
                excess[graph.molecule[i]] += q * s[size_t(i) * n_radial + k], norm[graph.molecule[i]] += q * q;
            }
        if (wanted)
            for (int t = 0; t < graph.n_molecules; ++t) excess[t] -= (*wanted)[t];
        for (int i = 0; i < graph.n_atoms; ++i)
            for (int k = 0; k < n_radial; ++k)
                s[size_t(i) * n_radial + k] -= charge[graph.element[i] * n_radial + k] * excess[graph.molecule[i]] /
                                               norm[graph.molecule[i]];
    }
    void take_excess(const Graph& graph, real* s) const {
        std::vector<real> wanted(graph.n_molecules, -surplus);
        for (int i = 0; i < graph.n_atoms; ++i) wanted[graph.molecule[i]] += electrons[graph.element[i]];
        project(graph, s, &wanted);
    }
    // values of each atom and its neighbours
    std::vector<real> around(const Graph& graph, const std::vector<real>& envelope,
                             const std::vector<real>& values) const {
        std::vector<real> sums = values;
        for (int i = 0; i < graph.n_atoms; ++i)
            for (int e = graph.first[i]; e < graph.first[i + 1]; ++e) sums[i] += envelope[e] * values[graph.sender[e]];
        return sums;
    }
    // q·s of each atom
    std::vector<real> electrons_in(const Graph& graph, const real* s) const {
        std::vector<real> sums(graph.n_atoms);
        for (int i = 0; i < graph.n_atoms; ++i)
            for (int k = 0; k < n_radial; ++k)
                sums[i] += charge[graph.element[i] * n_radial + k] * s[size_t(i) * n_radial + k];
        return sums;
    }
    // WhitenedBasis.balanced of densnet.models.whitened_basis
    Balance balance(const Graph& graph, real* s) const {
        const int n = graph.n_atoms;
        Balance kept{std::vector<real>(n), {}, electrons_in(graph, s), std::vector<real>(graph.n_edges)};
        std::vector<real> total(graph.n_molecules);
        for (int i = 0; i < n; ++i) {
            for (int k = 0; k < n_radial; ++k) {
                const real q = charge[graph.element[i] * n_radial + k];
                kept.norm[i] += q * q;
            }
            total[graph.molecule[i]] += kept.norm[i];
        }
        for (size_t e = 0; e < graph.n_edges; ++e)
            kept.envelope[e] = smooth_cutoff(std::min(graph.r[e] / cutoff, real(1)));
        kept.norm_around = around(graph, kept.envelope, kept.norm);
        for (int i = 0; i < n; ++i) {
            const real wanted = electrons[graph.element[i]] - surplus * kept.norm[i] / total[graph.molecule[i]];
            kept.share[i] = (kept.share[i] - wanted) / kept.norm_around[i];
        }
        take(graph, around(graph, kept.envelope, kept.share), s);
        return kept;
    }
    void take(const Graph& graph, const std::vector<real>& share, real* s) const {
        for (int i = 0; i < graph.n_atoms; ++i)
            for (int k = 0; k < n_radial; ++k)
                s[size_t(i) * n_radial + k] -= share[i] * charge[graph.element[i] * n_radial + k];
    }
    void balance_back(Graph& graph, const Balance& kept, real* of_s) const {
        const int n = graph.n_atoms;
        // minus the slope with what was taken off, and with the share, of each atom
        const std::vector<real> of_taken = electrons_in(graph, of_s);
        std::vector<real> of_excess = around(graph, kept.envelope, of_taken), of_norm(n);
        for (int i = 0; i < n; ++i) {
            of_excess[i] /= kept.norm_around[i];
            of_norm[i] = -of_excess[i] * kept.share[i];
        }
        for (int i = 0; i < n; ++i)
            for (int e = graph.first[i]; e < graph.first[i + 1]; ++e) {
                const int j = graph.sender[e];
                const real slope = cutoff_slope(std::min(graph.r[e] / cutoff, real(1))) / cutoff;
                graph.of_distance[e] -= slope * (of_taken[i] * kept.share[j] + of_norm[i] * kept.norm[j]);
            }
        take(graph, of_excess, of_s);
    }
    void moments(const Graph& graph, const real* positions, const real* x, real* dipoles) const {
        const int axes[3] = {1, 2, 0};  // orders -1, 0, 1 of l = 1 are y, z, x
        for (int t = 0; t < 3 * graph.n_molecules; ++t) dipoles[t] = 0;
        for (int i = 0; i < graph.n_atoms; ++i) {
            const int z = graph.element[i] * n_radial;
            real* sum = dipoles + 3 * graph.molecule[i];
            for (int k = 0; k < n_radial; ++k)
                for (int a = 0; a < 3; ++a) {
                    sum[a] += x[size_t(i) * n_radial + k] * charge[z + k] * positions[3 * i + a];
                    if (l_read > 0)
                        sum[axes[a]] +=
                            x[(size_t(1 + a) * graph.n_atoms + i) * n_radial + k] * dipole[z + k] * bohr;
                }
        }
    }

    int l_read, l_features, n_radial, channels, n_rounds;
    std::vector<real> embedding;
    std::vector<Interaction> interactions;
    Perceptron scalars;
    ElementLinear head;
    std::vector<real> scale, inverse, shift, charge, dipole, electrons;
    real surplus, bohr;
    int local;
    real cutoff;
};

class EnergyNetwork {
  public:
    EnergyNetwork(Stream& stream, int n_elements)
        : l_density(stream.integer()), n_radial(stream.integer()), channels(stream.integer()),
          hidden(stream.integer()), n_rounds(stream.integer()),
          density(stream, n_elements, l_density, n_radial, channels), embedding(stream.row(n_elements * channels)) {
        for (int round = 0; round < n_rounds; ++round) interactions.emplace_back(stream, n_elements);
        readout = std::make_unique<Perceptron>(stream, channels * (n_rounds + 1), hidden, W_OUT);
        scale = stream.number(), below = stream.number(), least = stream.row(n_elements);
    }

    // Adds the energy of each molecule, and, to of_u (lm, i, n), and to the edges, the slopes of the energies' sum.
    void energies(Graph& graph, size_t row_T, const real* u, real* of_u, double* energy, Arena& arena) const {
        const int n = graph.n_atoms, width = channels * (n_rounds + 1);
        IN_PART(HEADS);
        IN_NETWORK(1, 0);
        std::vector<const real*> h(n_rounds + 1);
        std::vector<Interaction::Kept> kept;
        real* read = arena.take(size_t(components(l_density)) * n * channels);
        density.forward(graph, u, n_radial, read, channels, false);
        fill_elements(graph, embedding, channels, read, channels);
        h[0] = read;
        for (int round = 0; round < n_rounds; ++round) {
            real* to = arena.take(size_t(components(interactions[round].degree())) * n * channels);
            kept.push_back(interactions[round].forward(graph, row_T, h[round], channels, to, channels, arena));
            h[round + 1] = to;
        }
        real *of_scalars = arena.zeros(size_t(n) * width), *epsilon = arena.zeros(size_t(n) * W_OUT);
        real* scalars = arena.take(size_t(n) * width);
        for (int i = 0; i < n; ++i)
            for (int round = 0; round <= n_rounds; ++round)
                std::memcpy(scalars + size_t(i) * width + round * channels, h[round] + size_t(i) * channels,
                            channels * sizeof(real));
        const real* inner = readout->forward(n, scalars, width, epsilon, W_OUT, arena);
        for (int i = 0; i < n; ++i) epsilon[i * W_OUT] = held(graph, i, epsilon[i * W_OUT] * scale, energy);
        IN_NETWORK(1, 1);
        readout->backward(n, inner, epsilon, W_OUT, of_scalars, width, arena);
        backward(graph, row_T, kept, of_scalars, width, of_u, arena);
    }

  private:
    static constexpr int W_OUT = 16;  // columns of the readout, of which the first counts

    // Adds an atom's energy, which falls but little below the least in training; returns the slope with epsilon.
    real held(const Graph& graph, int i, real learned, double* energy) const {
        real slope = scale, held = learned;
        const real depth = (least[graph.element[i]] - below - learned) / below;
        if (depth > 0) {
            const real softened = std::tanh(depth);
            held = learned + below * (depth - softened);
            slope = scale * (1 - softened * softened);
        }
        energy[graph.molecule[i]] += held;
        return slope;
    }

    void backward(Graph& graph, size_t row_T, const std::vector<Interaction::Kept>& kept, const real* of_scalars,
                  size_t width, real* of_u, Arena& arena) const {
        const int n = graph.n_atoms;
        real* of_h = nullptr;
        for (int round = n_rounds; round >= 0; --round) {
            const int degree = round == 0 ? l_density : interactions[round - 1].degree();
            if (!of_h) of_h = arena.zeros(size_t(components(degree)) * n * channels);
            for (int i = 0; i < n; ++i)
                for (int c = 0; c < channels; ++c)
                    of_h[size_t(i) * channels + c] += of_scalars[i * width + round * channels + c];
            if (round == 0) break;
            const int lower = round == 1 ? l_density : interactions[round - 2].degree();
            real* of_lower = arena.zeros(size_t(components(lower)) * n * channels);
            interactions[round - 1].backward(graph, row_T, kept[round - 1], of_h, of_lower, channels, arena);
            of_h = of_lower;
        }
        density.backward(graph, of_h, channels, of_u, n_radial, false);
    }

    int l_density, n_radial, channels, hidden, n_rounds;
    ElementLinear density;
    std::vector<real> embedding;
    std::vector<Interaction> interactions;
    std::unique_ptr<Perceptron> readout;
    real scale = 1, below = 1;
    std::vector<real> least;
};
