package io.gradus.learner.chunks;

/// What a chunk server has done and holds.
///
/// @param connections open now, refused ones included
/// @param requests answered with a file or a part of one
/// @param documents answered with digests
/// @param refused answered 503
/// @param sentBytes of files, without headers
/// @param directBytes off-heap memory in use now
public record ChunkServerFigures(
    int connections,
    long requests,
    long documents,
    long refused,
    long sentBytes,
    long directBytes) {}
