// Short vectors of the processor, and matrix products made of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "parts.h"

#ifndef REAL
#define REAL float
#endif
using real = REAL;

// bytes of a vector, and the rows of a tile whose sums stay in registers
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
constexpr int MOST_ROWS = 12;
#elif defined(__AVX__)
#define VECTOR_BYTES 32
constexpr int MOST_ROWS = 6;
#else
#define VECTOR_BYTES 16
constexpr int MOST_ROWS = 6;
#endif
typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
constexpr int W = VECTOR_BYTES / sizeof(real);

#if defined(__clang__)
#define UNROLLED _Pragma("unroll")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

inline vec load(const real* from) {
    vec v;
    std::memcpy(&v, from, sizeof(vec));
    return v;
}

inline void store(real* to, vec v) { std::memcpy(to, &v, sizeof(vec)); }

inline void add_to(real* to, vec v) { store(to, load(to) + v); }

inline size_t padded(size_t n) { return (n + W - 1) / W * W; }

// Lanes of a where bit S of the lane's number is 0, and those of b, S lanes lower, where it is 1.
template <int S, size_t... I>
inline vec even_blocks(vec a, vec b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, ((I / S) % 2 == 0 ? int(I) : W + int(I) - S)...);
}

// Lanes of a, S lanes higher, where bit S of the lane's number is 0, and those of b where it is 1.
template <int S, size_t... I>
inline vec odd_blocks(vec a, vec b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, ((I / S) % 2 == 0 ? int(I) + S : W + int(I))...);
}

using Lanes = std::make_index_sequence<W>;

template <int S = 1>
inline void transpose(vec (&v)[W]) {
    if constexpr (S < W) {
        UNROLLED for (int r = 0; r < W; ++r) {
            if ((r / S) % 2 == 0) {
                const vec a = v[r], b = v[r + S];
                v[r] = even_blocks<S>(a, b, Lanes());
                v[r + S] = odd_blocks<S>(a, b, Lanes());
            }
        }
        transpose<2 * S>(v);
    }
}

// The sums over the lanes of W vectors, as one vector.
template <int S = 1>
inline vec sums_of_lanes(vec (&v)[W]) {
    if constexpr (S < W) {
        UNROLLED for (int r = 0; r < W / (2 * S); ++r)
            v[r] = even_blocks<S>(v[2 * r], v[2 * r + 1], Lanes()) + odd_blocks<S>(v[2 * r], v[2 * r + 1], Lanes());
        return sums_of_lanes<2 * S>(v);
    } else {
        return v[0];
    }
}

inline real sum_of_lanes(vec v) {
    real sum = 0;
    for (int lane = 0; lane < W; ++lane) sum += v[lane];
    return sum;
}

template <int ROWS, int COLUMNS>
void tile(const real* a, size_t lda, const real* b, size_t ldb, real* c, size_t ldc, int K, bool add) {
    vec sum[ROWS][COLUMNS];
    UNROLLED for (int r = 0; r < ROWS; ++r)
        UNROLLED for (int v = 0; v < COLUMNS; ++v) sum[r][v] = add ? load(c + r * ldc + v * W) : vec{};
    for (int k = 0; k < K; ++k) {
        vec row[COLUMNS];
        UNROLLED for (int v = 0; v < COLUMNS; ++v) row[v] = load(b + k * ldb + v * W);
        UNROLLED for (int r = 0; r < ROWS; ++r) {
            const real factor = a[r * lda + k];
            UNROLLED for (int v = 0; v < COLUMNS; ++v) sum[r][v] += factor * row[v];
        }
    }
    UNROLLED for (int r = 0; r < ROWS; ++r)
        UNROLLED for (int v = 0; v < COLUMNS; ++v) store(c + r * ldc + v * W, sum[r][v]);
}

using Tile = void (*)(const real*, size_t, const real*, size_t, real*, size_t, int, bool);

template <int COLUMNS, size_t... R>
constexpr std::array<Tile, sizeof...(R)> tiles(std::index_sequence<R...>) {
    return {&tile<int(R) + 1, COLUMNS>...};
}

// C (M, N) = A (M, K) B (K, N), or added to it; N is a multiple of W, rows stand lda, ldb and ldc numbers apart.
inline void multiply(int M, int N, int K, const real* a, size_t lda, const real* b, size_t ldb, real* c, size_t ldc,
                     bool add = false) {
    static constexpr auto narrow = tiles<1>(std::make_index_sequence<MOST_ROWS>());
    static constexpr auto wide = tiles<2>(std::make_index_sequence<MOST_ROWS>());
    if (M <= 0) return;
    OPERATIONS(2.0 * M * N * K);
    const int blocks = (M + MOST_ROWS - 1) / MOST_ROWS;
    for (int n = 0; n < N;) {
        const bool two = n + 2 * W <= N;
        for (int block = 0; block < blocks; ++block) {
            const int first = M * block / blocks, rows = M * (block + 1) / blocks - first;
            (two ? wide : narrow)[rows - 1](a + first * lda, lda, b + n, ldb, c + first * ldc + n, ldc, K, add);
        }
        n += two ? 2 * W : W;
    }
}

// A fixed matrix (rows, columns) and its transpose; both dimensions are multiples of W.
struct Matrix {
    int rows = 0, columns = 0;
    std::vector<real> plain, transposed;

    Matrix() = default;
    Matrix(const real* values, int rows, int columns)
        : rows(rows), columns(columns), plain(values, values + size_t(rows) * columns), transposed(plain.size()) {
        for (int r = 0; r < rows; ++r)
            for (int c = 0; c < columns; ++c) transposed[size_t(c) * rows + r] = plain[size_t(r) * columns + c];
    }

    void apply(int M, const real* a, size_t lda, real* c, size_t ldc, bool add = false) const {
        multiply(M, columns, rows, a, lda, plain.data(), columns, c, ldc, add);
    }
    void apply_transposed(int M, const real* a, size_t lda, real* c, size_t ldc, bool add = false) const {
        multiply(M, rows, columns, a, lda, transposed.data(), rows, c, ldc, add);
    }
};

// Memory that one evaluation takes piece by piece and gives back as a whole.
class Arena {
  public:
    real* take(size_t n) {
        n = (n + 15) / 16 * 16;
        while (chunk < chunks.size() && used + n > chunks[chunk].size) ++chunk, used = 0;
        if (chunk == chunks.size()) {
            const size_t size = n > SMALLEST ? n : SMALLEST;
            chunks.push_back({std::make_unique<real[]>(size + 16), size});
        }
        const size_t at = size_t(chunks[chunk].memory.get());
        real* piece = chunks[chunk].memory.get() + ((64 - at % 64) % 64) / sizeof(real) + used;
        used += n;
        return piece;
    }
    real* zeros(size_t n) {
        real* piece = take(n);
        std::memset(piece, 0, n * sizeof(real));
        return piece;
    }
    void give_back() { chunk = 0, used = 0; }

  private:
    struct Chunk {
        std::unique_ptr<real[]> memory;
        size_t size;
    };
    static constexpr size_t SMALLEST = 1 << 20;
    std::vector<Chunk> chunks;
    size_t chunk = 0, used = 0;
};
