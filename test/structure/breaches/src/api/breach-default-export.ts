export default function email(): void {}
