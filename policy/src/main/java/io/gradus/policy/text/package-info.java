/// Text of real models in and out of token ids: their tokenizers, their chat templates, and what
/// ends an answer.
///
/// Ids are what was sampled and what is trained on; text is only ever derived from them. Nothing
/// here changes, drops or adds an id of a completion.
@NullMarked
package io.gradus.policy.text;

import org.jspecify.annotations.NullMarked;
