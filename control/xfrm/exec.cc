// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/exec.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "control/xfrm/preload_protocol.h"

namespace culvert::xfrm {
namespace {

constexpr char kLibraryName[] = "libculvert_xfrm.so";
constexpr char kLibraryVariable[] = "CULVERT_PRELOAD";
constexpr char kPreloadVariable[] = "LD_PRELOAD";

// Where the library lies as seen from a program's directory: installed (bin, sbin, libexec), and in
// the build tree from control/ and from the folders beside xfrm/.
constexpr std::array kPlaces = {"../lib/culvert", ".", "xfrm", "../xfrm", "../control/xfrm"};

// Does somebody listen there? 0, or the error number that says why not.
int why_unreachable(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return errno;
  const bool is_reached =
      connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  const int error = errno;
  close(descriptor);
  return is_reached ? 0 : error;
}

}  // namespace

Result<std::string> find_preload_library() {
  std::error_code error;
  if (const char* given = getenv(kLibraryVariable); given != nullptr && *given != '\0') {
    if (std::filesystem::exists(given, error)) return std::string(given);
    return Error{ENOENT, std::string(kLibraryVariable) + "=" + given + ": no such file"};
  }
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Error{error.value(), "/proc/self/exe: " + error.message()};
  for (const char* place : kPlaces) {
    const auto library = (program.parent_path() / place / kLibraryName).lexically_normal();
    if (std::filesystem::exists(library, error)) return library.string();
  }
  return Error{ENOENT, std::string(kLibraryName) + " is neither in ../lib/culvert of " +
                           program.string() + " nor in its build directory; " + kLibraryVariable +
                           " can name it"};
}

std::string with_preload(const std::string& library) {
  const char* present = getenv(kPreloadVariable);
  if (present == nullptr || *present == '\0') return library;
  return std::string(present) + ":" + library;
}

ExecFault exec_with_xfrm(const std::string& socket_path,
                         const std::vector<std::string>& arguments) {
  if (arguments.empty()) return {{EINVAL, "no command to run"}};
  const auto library = find_preload_library();
  if (!library) return {library.error()};
  if (const int why = why_unreachable(socket_path); why == EACCES) {
    return {{EACCES, socket_path + ": permission denied; be root or in the group that the " +
                         "configuration names in [control] group"}};
  } else if (why != 0) {
    return {{ECONNREFUSED, "no XFRM server at " + socket_path + " (" + std::strerror(why) +
                               "): is the gateway up?"}};
  }
  setenv(kPreloadVariable, with_preload(*library).c_str(), 1);
  setenv(preload::kSocketVariable, socket_path.c_str(), 1);
  unsetenv(preload::kChannelVariable);
  std::vector<char*> raw;
  raw.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  execvp(raw[0], raw.data());
  const int code = errno;
  return {{code, arguments[0] + ": " + std::strerror(code)}, true};
}

}  // namespace culvert::xfrm
