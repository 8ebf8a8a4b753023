"""Reflection: the descriptors of a server, told to tools. Official libraries ask in version 1 first; ours has only its draft, which says the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import grpc
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection, reflection_pb2

DRAFT: Final = reflection.SERVICE_NAME
V1: Final = DRAFT.replace("v1alpha", "v1")
_METHOD: Final = "ServerReflectionInfo"


def reflect(server: grpc.aio.Server, services: Iterable[str], pool: DescriptorPool) -> None:
    """Tell of these services, and of reflection itself, in both versions. The messages of both are the same bytes, whatever they are called."""
    draft = FileDescriptorProto.FromString(reflection_pb2.DESCRIPTOR.serialized_pb)
    version_1 = text_format.Parse(text_format.MessageToString(draft).replace("v1alpha", "v1"), FileDescriptorProto())
    for file in (draft, version_1):
        pool.AddSerializedFile(file.SerializeToString())
    names = [*services, V1, DRAFT]
    reflection.enable_server_reflection(names, server, pool)
    answers: Any = reflection.aio.ReflectionServicer(names, pool)
    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
        answers.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(V1, {_METHOD: handler}),))
