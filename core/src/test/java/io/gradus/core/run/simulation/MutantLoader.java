package io.gradus.core.run.simulation;

import io.gradus.core.run.Decider;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/// Loads the decider anew, with the classes of a mutant in place of its own.
///
/// What crosses the seam between simulation and decider (plans, images, inputs, decisions and all
/// that they are made of) is shared with the simulation; every other class of `core` is loaded
/// here, so that classes of one package see each other.
final class MutantLoader extends ClassLoader {

  private static final String CORE = "io.gradus.core.";
  private static final String DECIDER = CORE + "run.RunDecider";

  private static final Set<String> SHARED = shared();

  private final Map<String, byte[]> mutant;

  MutantLoader(Map<String, byte[]> mutant) {
    super(MutantLoader.class.getClassLoader());
    mutant
        .keySet()
        .forEach(name -> {
          if (SHARED.contains(name)) {
            throw new IllegalArgumentException(
                name + " is shared with the simulation and cannot be mutated");
          }
        });
    this.mutant = Map.copyOf(mutant);
  }

  /// What opens the mutated decider.
  Decider.Factory factory() {
    try {
      Method open = null;
      for (Method method : loadClass(DECIDER).getMethods()) {
        if (method.getName().equals("open")) {
          open = method;
        }
      }
      if (open == null) {
        throw new IllegalStateException(DECIDER + " has no method open");
      }
      Method found = open;
      return (plan, image, now) -> {
        try {
          return (Decider) found.invoke(null, plan, image, now);
        } catch (InvocationTargetException broken) {
          throw broken.getCause() instanceof RuntimeException cause
              ? cause
              : new IllegalStateException(broken);
        } catch (IllegalAccessException closed) {
          throw new IllegalStateException(closed);
        }
      };
    } catch (ClassNotFoundException missing) {
      throw new IllegalStateException(missing);
    }
  }

  @Override
  protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
    synchronized (getClassLoadingLock(name)) {
      boolean isOwn =
          name.startsWith(CORE)
              && !name.startsWith(CORE + "run.simulation.")
              && !SHARED.contains(name);
      if (!isOwn) {
        return super.loadClass(name, resolve);
      }
      Class<?> loaded = findLoadedClass(name);
      if (loaded == null) {
        byte[] bytes = mutant.containsKey(name) ? mutant.get(name) : original(name);
        loaded = defineClass(name, bytes, 0, bytes.length);
      }
      return loaded;
    }
  }

  private byte[] original(String name) throws ClassNotFoundException {
    try (InputStream stream = getResourceAsStream(name.replace('.', '/') + ".class")) {
      if (stream == null) {
        throw new ClassNotFoundException(name);
      }
      return stream.readAllBytes();
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  /// Everything that a decider is given or gives, from [Decider] on.
  private static Set<String> shared() {
    var names = new HashSet<String>();
    add(Decider.class, names);
    for (Class<?> nested : Decider.class.getDeclaredClasses()) {
      add(nested, names);
    }
    return Set.copyOf(names);
  }

  private static void add(Type type, Set<String> names) {
    if (type instanceof ParameterizedType generic) {
      add(generic.getRawType(), names);
      for (Type argument : generic.getActualTypeArguments()) {
        add(argument, names);
      }
      return;
    }
    if (!(type instanceof Class<?> found)
        || !found.getName().startsWith(CORE)
        || !names.add(found.getName())) {
      return;
    }
    if (found.isInterface()) {
      for (Method method : found.getDeclaredMethods()) {
        add(method.getGenericReturnType(), names);
        for (Type parameter : method.getGenericParameterTypes()) {
          add(parameter, names);
        }
      }
    }
    if (found.isSealed()) {
      for (Class<?> permitted : found.getPermittedSubclasses()) {
        add(permitted, names);
      }
    }
    if (found.isRecord()) {
      for (RecordComponent component : found.getRecordComponents()) {
        add(component.getGenericType(), names);
      }
    }
    if (found.getEnclosingClass() != null) {
      add(found.getEnclosingClass(), names);
    }
  }
}
