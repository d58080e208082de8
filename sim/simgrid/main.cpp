// moesaic-simgrid: reads flows from standard input, simulates them with SimGrid, writes their ends to standard output.
// moesaic starts one for each simulation, because SimGrid has one engine a process and loses the process on errors.
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <iterator>
#include <string>

#include "sim/simgrid/flow_exchange.hpp"
#include "sim/simgrid/simulate.hpp"

int main(int argc, char**) {
  if (argc > 1) {
    std::fputs("moesaic-simgrid takes no arguments; moesaic runs it with flows on its standard input\n", stderr);
    return 2;
  }
  try {
    const int answer = dup(STDOUT_FILENO);  // what SimGrid prints must not get into it
    if (answer < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
      throw std::runtime_error("no standard output");
    }
    const std::string input{std::istreambuf_iterator<char>(std::cin), {}};
    const std::string output = moesaic::write_ends(moesaic::simulate_flows(moesaic::read_flows(input)));
    for (std::size_t written = 0; written < output.size();) {
      const ssize_t count = write(answer, output.data() + written, output.size() - written);
      if (count < 0) {
        throw std::runtime_error("the answer cannot be written");
      }
      written += static_cast<std::size_t>(count);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
