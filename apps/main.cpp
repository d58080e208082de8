#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "apps/cli.hpp"

int main(int argc, char** argv) {
  const bool terminal = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  return moesaic::run_cli({argv + 1, argv + argc}, std::cout, std::cerr, terminal);
}
