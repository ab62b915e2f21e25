// Energies, forces and dipoles of geometries of one molecule, called from Python (densnet/models/compiled.py).

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "networks.h"

namespace {

constexpr int FINE = 0, SAME_PLACE = 1, NOT_FINITE = 2;

struct Networks {
    Stream stream;
    int n_elements;
    real cutoff, same_place;
    int atoms_at_once;
    Contacts contacts;
    Harmonics harmonics;
    DensityNetwork density;
    EnergyNetwork energy;
    std::mutex lock;
    std::vector<std::unique_ptr<Arena>> idle;

    Networks(const int* integers, size_t n_integers, const real* reals, size_t n_reals)
        : stream(integers, n_integers, reals, n_reals), n_elements(stream.integer()), cutoff(stream.number()),
          same_place(stream.number()), atoms_at_once(stream.integer()), contacts(stream, n_elements),
          harmonics(stream), density(stream, n_elements), energy(stream, n_elements) {
        if (!stream.at_end()) throw std::length_error("too many numbers");
    }

    std::unique_ptr<Arena> arena() {
        const std::lock_guard<std::mutex> guard(lock);
        if (idle.empty()) return std::make_unique<Arena>();
        std::unique_ptr<Arena> last = std::move(idle.back());
        idle.pop_back();
        return last;
    }
    void put_back(std::unique_ptr<Arena> used) {
        used->give_back();
        const std::lock_guard<std::mutex> guard(lock);
        idle.push_back(std::move(used));
    }
};

// The atoms of n_frames geometries, sorted by element; positions (t, i, 3) are copied in that order.
Graph sorted_atoms(const Networks& networks, int n_frames, int n, const int* element, const real* positions,
                   std::vector<real>& sorted) {
    Graph graph;
    graph.n_atoms = n_frames * n, graph.n_molecules = n_frames;
    graph.first_of_element.push_back(0);
    for (int z = 0; z < networks.n_elements; ++z) {
        for (int t = 0; t < n_frames; ++t)
            for (int i = 0; i < n; ++i)
                if (element[i] == z) {
                    graph.element.push_back(z), graph.molecule.push_back(t), graph.place.push_back(t * n + i);
                    for (int x = 0; x < 3; ++x) sorted.push_back(positions[3 * (t * n + i) + x]);
                }
        graph.first_of_element.push_back(int(graph.element.size()));
    }
    return graph;
}

// All pairs of a molecule nearer than the cutoff, and both atoms' elements.
int find_edges(const Networks& networks, const std::vector<real>& positions, Graph& graph) {
    std::vector<std::vector<int>> atoms(graph.n_molecules);
    for (int i = 0; i < graph.n_atoms; ++i) atoms[graph.molecule[i]].push_back(i);
    std::vector<real> vectors;
    graph.first.push_back(0);
    for (int i = 0; i < graph.n_atoms; ++i) {
        for (const int j : atoms[graph.molecule[i]]) {
            if (i == j) continue;
            const real *a = &positions[3 * i], *b = &positions[3 * j];
            const real v[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]};
            const real r = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
            if (!std::isfinite(r)) return NOT_FINITE;
            if (r >= networks.cutoff) continue;
            if (r < networks.same_place) return SAME_PLACE;
            graph.sender.push_back(j), graph.r.push_back(r);
            graph.pair.push_back(graph.element[i] * networks.n_elements + graph.element[j]);
            for (const real x : v) vectors.push_back(x / r);
        }
        graph.first.push_back(int(graph.sender.size()));
    }
    graph.n_edges = graph.sender.size(), graph.n_padded = padded(graph.n_edges);
    graph.direction.assign(3 * graph.n_padded, real(0));
    for (size_t e = 0; e < graph.n_edges; ++e)
        for (int x = 0; x < 3; ++x) graph.direction[x * graph.n_padded + e] = vectors[3 * e + x];
    return FINE;
}

// Slopes with the edges' lengths and directions become forces; slope: of the held distance, wall: of the wall.
void forces_of_edges(const Networks& networks, const Graph& graph, const std::vector<real>& r,
                     const std::vector<real>& slope, const std::vector<real>& wall, real* forces) {
    const size_t E = graph.n_padded;
    std::vector<real> lanes;
    int receiver = 0;
    for (size_t e = 0; e < graph.n_edges; e += W) {
        vec turning[3];
        networks.harmonics.backward(graph, e, lanes, turning);
        for (size_t k = e; k < std::min(e + W, graph.n_edges); ++k) {
            while (graph.first[receiver + 1] <= int(k)) ++receiver;
            real d[3], g[3], along = 0;
            for (int x = 0; x < 3; ++x) {
                d[x] = graph.direction[x * E + k], g[x] = turning[x][k - e] / r[k];
                along += g[x] * d[x];
            }
            along = graph.of_distance[k] * slope[k] + wall[k] - along;
            for (int x = 0; x < 3; ++x) {
                const real by_vector = g[x] + along * d[x];
                forces[3 * graph.place[receiver] + x] += by_vector;
                forces[3 * graph.place[graph.sender[k]] + x] -= by_vector;
            }
        }
    }
}

int evaluate(const Networks& networks, int n_frames, int n, const int* element, const real* positions, double* energy,
             real* forces, real* dipole, Arena& arena) {
    RESTART_PARTS;
    std::vector<real> sorted;
    Graph graph = sorted_atoms(networks, n_frames, n, element, positions, sorted);
    for (const real x : sorted)
        if (!std::isfinite(x)) return NOT_FINITE;
    if (const int wrong = find_edges(networks, sorted, graph)) return wrong;
    const std::vector<real> r = graph.r;
    std::vector<real> slope(graph.n_edges), wall(graph.n_edges);
    std::fill(energy, energy + n_frames, 0.0);
    std::fill(forces, forces + 3 * size_t(n_frames) * n, real(0));
    for (int i = 0; i < graph.n_atoms; ++i)
        for (int e = graph.first[i]; e < graph.first[i + 1]; ++e) {
            energy[graph.molecule[i]] += networks.contacts.wall(r[e], graph.pair[e], wall[e]);
            graph.r[e] = networks.contacts.held(r[e], graph.pair[e], slope[e]);
        }
    networks.harmonics.forward(graph, arena);
    const size_t row_T = networks.harmonics.row();
    const size_t size_u = size_t(networks.density.n_components()) * graph.n_atoms * networks.density.row_u();
    real *u = arena.take(size_u), *of_u = arena.zeros(size_u);
    const DensityNetwork::Kept kept = networks.density.forward(graph, row_T, sorted.data(), u, dipole, arena);
    networks.energy.energies(graph, row_T, u, of_u, energy, arena);
    IN_NETWORK(0, 1);
    networks.density.backward(graph, row_T, kept, of_u, arena);
    forces_of_edges(networks, graph, r, slope, wall, forces);
    IN_NETWORK(0, 0);
    return FINE;
}

}  // namespace

// all else is hidden, so that libraries for several kinds of numbers can be loaded side by side
#pragma GCC visibility push(default)
extern "C" {

int densnet_bytes_of_real() { return sizeof(real); }

// Returns null where the numbers are not those of networks.
void* densnet_networks(const int* integers, size_t n_integers, const real* reals, size_t n_reals) {
    try {
        return new Networks(integers, n_integers, reals, n_reals);
    } catch (const std::exception&) {
        return nullptr;
    }
}

void densnet_forget(void* networks) { delete static_cast<Networks*>(networks); }

// Positions (t, i, 3) in Angstrom to energies (t), forces (t, i, 3) and the electrons' dipoles (t, 3), by n_threads.
int densnet_evaluate(void* handle, int n_frames, int n_atoms, const int* element, const real* positions,
                     double* energy, real* forces, real* dipole, int n_threads) {
    Networks& networks = *static_cast<Networks*>(handle);
    const int at_once = std::max(1, networks.atoms_at_once / n_atoms), n_blocks = (n_frames + at_once - 1) / at_once;
    std::atomic<int> next{0}, wrong{FINE};
    const auto work = [&] {
        std::unique_ptr<Arena> arena = networks.arena();
        for (int block = next++; block < n_blocks && wrong == FINE; block = next++) {
            const int first = block * at_once, frames = std::min(at_once, n_frames - first);
            const size_t at = size_t(first) * n_atoms * 3;
            if (const int code = evaluate(networks, frames, n_atoms, element, positions + at, energy + first,
                                          forces + at, dipole + 3 * first, *arena))
                wrong = code;
            arena->give_back();
        }
        networks.put_back(std::move(arena));
    };
    std::vector<std::thread> others;
    for (int thread = 1; thread < std::min(n_threads, n_blocks); ++thread) others.emplace_back(work);
    work();
    for (std::thread& thread : others) thread.join();
    return wrong;
}

#ifdef TIMED
// Seconds, then operations, of (network, direction, part) since the last call.
void densnet_spent(double* numbers) {
    std::memcpy(numbers, spent.seconds, sizeof(spent.seconds));
    std::memcpy(numbers + 4 * N_PARTS, spent.operations, sizeof(spent.operations));
    spent = Spent();
}
#endif
}
#pragma GCC visibility pop
