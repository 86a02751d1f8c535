/// Native memory and native threads: who owns a tensor, and who may call libtorch.
///
/// The garbage collector does not know how big a tensor is, so nothing here is left to it:
/// JavaCPP's own limits and its collector thread are off, and every tensor is a local in a pointer
/// scope or a field of something that is closed.
@NullMarked
package io.gradus.policy.nativememory;

import org.jspecify.annotations.NullMarked;
