// Runs a target over its corpus and over simple mutations of it: part of every test run, with any compiler.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>

#include "fuzz.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " CORPUS_DIR MUTATIONS\n";
    return 2;
  }
  std::mt19937 dice(1);
  const int mutations = std::atoi(argv[2]);
  int inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string seed{std::istreambuf_iterator<char>(file), {}};
    fuzz(seed);
    ++inputs;
    for (int i = 0; i < mutations; ++i) {
      std::string input = seed;
      for (unsigned edits = 1 + dice() % 4; edits > 0; --edits) {
        const std::size_t at = dice() % (input.size() + 1);
        switch (dice() % 4) {
          case 0:
            input.insert(at, 1, static_cast<char>(dice()));
            break;
          case 1:
            if (!input.empty()) input[at % input.size()] = static_cast<char>(dice());
            break;
          case 2:
            input.erase(at, 1 + dice() % 8);
            break;
          default:
            input.insert(at, input.substr(dice() % (input.size() + 1), dice() % 16));
            break;
        }
      }
      fuzz(input);
      ++inputs;
    }
  }
  std::cout << inputs << " inputs\n";
  return inputs > 0 ? 0 : 1;
}
