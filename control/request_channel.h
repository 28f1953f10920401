// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "control/result.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// A request that the dataplane did not carry out.
struct Refused {
  std::uint64_t sequence = 0;
  Refusal refusal = Refusal::none;
};

// Where requests to the dataplane go: DataplaneClient in a gateway, DryRunChannel for `--check`.
class RequestChannel {
 public:
  RequestChannel() = default;
  RequestChannel(const RequestChannel&) = delete;
  RequestChannel& operator=(const RequestChannel&) = delete;
  virtual ~RequestChannel() = default;

  // Hands one request over and returns its sequence number. Any number may be under way; a full
  // ring makes this wait. A sleeping dataplane hears of it by finish() or kick(). ETIMEDOUT: the
  // dataplane does not answer, and the request was not handed over.
  [[nodiscard]] virtual Result<std::uint64_t> push(const Request& request) = 0;

  // Waits until everything pushed so far is answered. Returns the refused ones from sequence number
  // `since` on, oldest first; earlier ones are logged, as are those nobody waits for.
  // ETIMEDOUT: the dataplane does not answer; what is still under way may yet be carried out.
  // EAGAIN: it started anew meanwhile; what was under way is void.
  [[nodiscard]] virtual Result<std::vector<Refused>> finish(std::uint64_t since) = 0;

  // Wakes the dataplane for what was pushed and takes in what is answered; does not wait.
  virtual void kick() = 0;

  // Is this request answered, whatever the answer?
  [[nodiscard]] virtual bool is_answered(std::uint64_t sequence) const = 0;
};

// Accepts everything: there is no dataplane.
class DryRunChannel final : public RequestChannel {
 public:
  [[nodiscard]] Result<std::uint64_t> push(const Request&) override { return ++pushed_; }
  [[nodiscard]] Result<std::vector<Refused>> finish(std::uint64_t) override {
    return std::vector<Refused>{};
  }
  void kick() override {}
  [[nodiscard]] bool is_answered(std::uint64_t) const override { return true; }

 private:
  std::uint64_t pushed_ = 0;
};

// The errno and sentence for a refusal, for whoever asked.
[[nodiscard]] Error refusal_error(Refusal refusal);

}  // namespace culvert
