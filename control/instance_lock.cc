// SPDX-License-Identifier: BSD-3-Clause
#include "control/instance_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "control/api/paths.h"

namespace culvert {
namespace {

constexpr const char* kLockFile = "lock";

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

Error folder_error(const std::filesystem::path& folder, int code) {
  const char* hint = code == EACCES || code == EPERM || code == EROFS
                         ? "; run as root, or set CULVERT_RUNTIME_DIR to a directory of yours"
                         : "";
  return {code, fmt::format("cannot make the runtime directory {}: {}{}", folder.string(),
                            std::generic_category().message(code), hint)};
}

}  // namespace

InstanceLock::InstanceLock(std::filesystem::path folder, UniqueFd lock)
    : folder_(std::move(folder)), lock_(std::move(lock)) {}

InstanceLock::~InstanceLock() {
  if (!lock_.is_open()) return;
  // While it is locked: nobody else can be using the directory.
  std::error_code code;
  std::filesystem::remove_all(folder_, code);
}

Result<InstanceLock> InstanceLock::take(std::string_view instance, const std::string& group) {
  const auto folder = instance_dir(instance);
  if (!folder) return folder.error();
  std::error_code code;
  std::filesystem::create_directories(folder->parent_path(), code);
  if (code) return folder_error(*folder, code.value());
  if (mkdir(folder->c_str(), 0750) != 0 && errno != EEXIST) return folder_error(*folder, errno);
  const struct group* entry = group.empty() ? nullptr : getgrnam(group.c_str());
  if (entry != nullptr && chown(folder->c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0) {
    return folder_error(*folder, errno);
  }
  UniqueFd lock(open((*folder / kLockFile).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.is_open()) return folder_error(*folder, errno);
  struct flock request = whole_file();
  if (fcntl(lock.get(), F_SETLK, &request) != 0) {
    const auto owner = running_instance(instance);
    return Error{EEXIST, fmt::format("instance \"{}\" is running already (process {}); stop it "
                                     "with `culvert down --instance {}`",
                                     instance, owner ? *owner : 0, instance)};
  }
  struct stat status {};
  if (fstat(lock.get(), &status) != 0 || status.st_nlink == 0) {
    return take(instance, group);  // the instance before removed the file between open and lock
  }
  return InstanceLock(*folder, std::move(lock));
}

Result<pid_t> running_instance(std::string_view instance) {
  const auto folder = instance_dir(instance);
  if (!folder) return folder.error();
  const UniqueFd lock(open((*folder / kLockFile).c_str(), O_RDWR | O_CLOEXEC));
  if (!lock.is_open()) {
    const int code = errno;
    if (code == ENOENT) return pid_t{0};
    const char* hint =
        code == EACCES ? "; an instance is for root, or whoever started it, to look after" : "";
    return Error{code,
                 fmt::format("instance \"{}\": {}: {}{}", instance, (*folder / kLockFile).string(),
                             std::generic_category().message(code), hint)};
  }
  struct flock request = whole_file();
  if (fcntl(lock.get(), F_GETLK, &request) != 0) {
    return Error{errno, fmt::format("{}: {}", (*folder / kLockFile).string(),
                                    std::generic_category().message(errno))};
  }
  return request.l_type == F_UNLCK ? pid_t{0} : request.l_pid;
}

}  // namespace culvert
