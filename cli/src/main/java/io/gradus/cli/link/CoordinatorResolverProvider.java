package io.gradus.cli.link;

import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import java.net.URI;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Gives a channel the resolver of its own list of coordinators. Found by gRPC through the service
/// loader.
public final class CoordinatorResolverProvider extends NameResolverProvider {

  /// Of the targets that are resolved here.
  static final String SCHEME = "gradus";

  /// What a channel hands its resolver.
  static final NameResolver.Args.Key<CoordinatorList> LIST =
      NameResolver.Args.Key.create("coordinators");

  /// Below that of DNS, which remains what a target without a scheme means.
  private static final int PRIORITY = 4;

  @Override
  protected boolean isAvailable() {
    return true;
  }

  @Override
  protected int priority() {
    return PRIORITY;
  }

  @Override
  public String getDefaultScheme() {
    return SCHEME;
  }

  @Override
  public @Nullable NameResolver newNameResolver(URI target, NameResolver.Args args) {
    if (!SCHEME.equals(target.getScheme())) {
      return null;
    }
    CoordinatorList list =
        Objects.requireNonNull(args.getArg(LIST), "a gradus target is made with its list");
    return new CoordinatorResolver(
        list, Objects.requireNonNullElse(args.getOffloadExecutor(), Runnable::run));
  }
}
