// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <filesystem>
#include <optional>

namespace culvert {

// Going to the background in such a way that the shell learns how the start went.
class Detachment {
 public:
  // Forks. The child goes on in a session of its own and gets a Detachment; the parent waits for it
  // and never comes back: it exits with 0 when the child calls become_ready(), or with the child's
  // status when that ends before. To be called before any thread is started. The child's working
  // directory is /, as its processes' will be whenever they are started anew.
  [[nodiscard]] static std::optional<Detachment> start();

  // Standard input, output and error go to `log_file` from now on, and the parent exits with 0.
  void become_ready(const std::filesystem::path& log_file);

 private:
  explicit Detachment(int pipe) : pipe_(pipe) {}
  int pipe_ = -1;
};

}  // namespace culvert
