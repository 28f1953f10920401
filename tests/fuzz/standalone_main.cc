// SPDX-License-Identifier: BSD-3-Clause
// Runs a fuzz target without libFuzzer, with any compiler: every file of its corpus as it is, then
// a number of mutated and random inputs, the same ones in every run.
//
//   TARGET RUNS [CORPUS_FOLDER]
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <utility>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t kMaxRandomBytes = 256;
constexpr std::size_t kMaxMutations = 8;

std::vector<Input> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Input> corpus;
  for (const auto& file : files) {
    std::ifstream stream(file, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  return corpus;
}

class InputMaker {
 public:
  explicit InputMaker(std::vector<Input> corpus) : corpus_(std::move(corpus)) {}

  // One in four all random, the others a file of the corpus with a few places changed.
  Input next() {
    if (corpus_.empty() || below(4) == 0) return random_input();
    Input input = corpus_[below(corpus_.size())];
    const std::size_t mutations = 1 + below(kMaxMutations);
    for (std::size_t i = 0; i < mutations; ++i) mutate(input);
    return input;
  }

 private:
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }
  std::uint8_t any_byte() { return static_cast<std::uint8_t>(random_()); }

  Input random_input() {
    Input input(below(kMaxRandomBytes + 1));
    for (std::uint8_t& byte : input) byte = any_byte();
    return input;
  }

  void mutate(Input& input) {
    constexpr std::uint8_t kEdges[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    const std::size_t kind = below(5);
    if (kind == 0) {
      input.resize(below(input.size() + 1));
    } else if (kind == 1) {
      input.push_back(any_byte());
    } else if (!input.empty()) {
      std::uint8_t& byte = input[below(input.size())];
      if (kind == 2) byte = static_cast<std::uint8_t>(byte ^ 1 << below(8));
      if (kind == 3) byte = kEdges[below(std::size(kEdges))];
      if (kind == 4) byte = any_byte();
    }
  }

  std::vector<Input> corpus_;
  std::mt19937_64 random_{1};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: %s RUNS [CORPUS_FOLDER]\n", argv[0]);
    return 2;
  }
  const std::vector<Input> corpus = argc == 3 ? read_corpus(argv[2]) : std::vector<Input>{};
  for (const Input& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());
  const unsigned long runs = std::strtoul(argv[1], nullptr, 10);
  InputMaker maker(corpus);
  for (unsigned long run = 0; run < runs; ++run) {
    const Input input = maker.next();
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu corpus files and %lu made inputs\n", corpus.size(), runs);
  return 0;
}
