// Where the time goes, if compiled with TIMED (benchmarks/profile_parts.py); nothing otherwise.
#pragma once

enum Part { EDGES, RADIAL, COUPLING, MIXING, SPHERE, GATE, HEADS, N_PARTS };

#ifdef TIMED
#include <ctime>

// Processor seconds and operations of (network, direction, part): density and energy, forward and backward.
class Spent {
  public:
    double seconds[2][2][N_PARTS] = {}, operations[2][2][N_PARTS] = {};
    int network = 0, direction = 0, part = EDGES;

    void to(int next_network, int next_direction, int next_part) {
        const double now = clock();
        seconds[network][direction][part] += now - last;
        network = next_network, direction = next_direction, part = next_part, last = now;
    }

    void restart() { network = direction = part = 0, last = clock(); }

  private:
    static double clock() {
        timespec now;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
    }
    double last = clock();
};
inline Spent spent;

class InPart {
  public:
    explicit InPart(Part part) : before(spent.part) { spent.to(spent.network, spent.direction, part); }
    ~InPart() { spent.to(spent.network, spent.direction, before); }

  private:
    int before;
};

#define IN_PART(part) const InPart in_part(part)
#define IN_NETWORK(network, direction) spent.to(network, direction, spent.part)
#define RESTART_PARTS spent.restart()
#define OPERATIONS(n) spent.operations[spent.network][spent.direction][spent.part] += double(n)
#else
#define IN_PART(part) static_cast<void>(0)
#define IN_NETWORK(network, direction) static_cast<void>(0)
#define RESTART_PARTS static_cast<void>(0)
#define OPERATIONS(n) static_cast<void>(0)
#endif
