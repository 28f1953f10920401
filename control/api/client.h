// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "control/api/protocol.h"
#include "control/result.h"

namespace culvert {

// A connection to a running culvert-control. Calls block for at most 10 s, unless told otherwise.
class ApiClient {
 public:
  // ECONNREFUSED: no such instance is running. EACCES: not root, nor in [control] group.
  [[nodiscard]] static Result<ApiClient> connect(std::string_view instance);
  [[nodiscard]] static Result<ApiClient> connect_at(const std::filesystem::path& file,
                                                    std::string_view instance);
  ApiClient(ApiClient&& other) noexcept;
  ApiClient& operator=(ApiClient&&) = delete;
  ~ApiClient();

  // The view's data. `parameters` is an object whose keys go into the request.
  // EPROTO: the answer is not understood. EINVAL: control refused, saying why.
  [[nodiscard]] Result<Json> ask(std::string_view view, const Json& parameters = Json::object());
  // The same with bytes behind the request's line, and behind the answer's.
  struct Answer {
    Json data;
    std::string body;
  };
  [[nodiscard]] Result<Answer> exchange(std::string_view view, const Json& parameters,
                                        std::span<const std::byte> body = {});
  // For questions that may take longer to answer than 10 s.
  void set_patience(std::chrono::seconds patience);
  // All pages of a view in one; `list` is the key of its entries.
  [[nodiscard]] Result<Json> ask_all(std::string_view view, const std::string& list);

 private:
  explicit ApiClient(int descriptor) : descriptor_(descriptor) {}
  [[nodiscard]] Result<void> send_bytes(std::span<const std::byte> bytes);
  [[nodiscard]] Result<void> receive_more();
  [[nodiscard]] Result<std::string> receive_line();

  int descriptor_ = -1;
  std::string received_;
  std::chrono::seconds patience_{10};
};

}  // namespace culvert
