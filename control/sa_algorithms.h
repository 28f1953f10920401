// SPDX-License-Identifier: BSD-3-Clause
// Between XFRM's names of algorithms and the transforms of crypto/transform.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "control/result.h"
#include "control/sa.h"
#include "crypto/transform.h"

namespace culvert {

// One of ours, or of the form that others have in Linux, such as "cbc(serpent)". What is none may
// be a key that came into the wrong place, and is not shown.
[[nodiscard]] bool is_algorithm_name(std::string_view word);

// What the SA asks for, by names (canonical ones and aliases), key lengths and ICV lengths, with
// the kernel's default where no ICV length was given.
// EINVAL: no algorithm, AEAD beside others, authentication without encryption, neither encryption
// nor integrity, a key of another length, an ICV longer than the hash. ENOSYS: an algorithm that is
// not known, or not with this ICV or (AES-CCM) this key.
[[nodiscard]] Result<TransformId> transform_of(const Sa& sa);

// ENOSYS, as for what a kernel was built without: the transform needs one of TransformInfo's
// permissions, and `allowed` has not all of them.
[[nodiscard]] Result<void> check_permissions(TransformId transform, std::uint8_t allowed);

// What XFRM calls a transform's algorithms, in the kernel's canonical form: ICV lengths always
// given.
struct SaAlgorithms {
  std::optional<Algorithm> aead;
  std::optional<Algorithm> crypt;
  std::optional<Algorithm> auth;
};
// Without integrity there are two forms: no authentication algorithm, or one that does nothing.
enum class NoIntegrityForm : std::uint8_t { no_algorithm, digest_null };
[[nodiscard]] SaAlgorithms algorithms_of(TransformId transform, NoIntegrityForm form);

}  // namespace culvert
