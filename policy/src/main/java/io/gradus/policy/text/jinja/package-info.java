/// The part of Jinja that chat templates are written in, with the semantics and the white space of
/// Jinja2 as transformers sets it up.
///
/// A template reaches the values it is given and nothing else: there are no classes, files, imports
/// or attributes of Java objects in this language, by construction. Output, work and depth are
/// bounded. Whatever is not supported is refused by its name, with the line.
@NullMarked
package io.gradus.policy.text.jinja;

import org.jspecify.annotations.NullMarked;
