// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "control/netlink/unique_fd.h"
#include "control/result.h"

namespace culvert {

// The runtime directory of one instance, and the right to be that instance: a locked file `lock` in
// it. The lock belongs to the process (fcntl), so it ends with it however that ends.
class InstanceLock {
 public:
  // Makes the directory (0750, owned by `group` unless that is empty) and takes the lock.
  // EEXIST: the instance is running. EACCES: may not create the directory.
  [[nodiscard]] static Result<InstanceLock> take(std::string_view instance,
                                                 const std::string& group);
  InstanceLock(InstanceLock&&) = default;
  InstanceLock& operator=(InstanceLock&&) = delete;
  // Removes the directory with all that is in it, and gives the lock up.
  ~InstanceLock();

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  InstanceLock(std::filesystem::path folder, UniqueFd lock);

  std::filesystem::path folder_;
  UniqueFd lock_;
};

// The process that holds the instance's lock; 0: none does, it is not running.
[[nodiscard]] Result<pid_t> running_instance(std::string_view instance);

}  // namespace culvert
