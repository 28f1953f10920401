// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace culvert {

// How the writer of a table waits until every worker has passed a quiescent state: from then on no
// worker can hold anything that was unlinked before. Only the housekeeper calls it.
class Quiescence {
 public:
  virtual void wait() = 0;

 protected:
  Quiescence() = default;
  Quiescence(const Quiescence&) = default;
  Quiescence& operator=(const Quiescence&) = default;
  ~Quiescence() = default;
};

}  // namespace culvert
